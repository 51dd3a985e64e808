package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// consume reads the idempotent topic as a member of a group and commits what it has read.
func consume(ctx context.Context, bootstrap string, book *ledger, group string) {
	client := newClient(bootstrap, kgo.ConsumerGroup(group), kgo.ConsumeTopics(idempotentTopic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.AutoCommitInterval(200*time.Millisecond))
	defer client.CloseAllowingRebalance()
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		book.mu.Lock()
		fetches.EachRecord(func(record *kgo.Record) { book.delivered[group][string(record.Value)] = true })
		book.mu.Unlock()
	}
}

// awaitDelivery checks that each group gets every acknowledged record at least once.
func (l *ledger) awaitDelivery(patience time.Duration) {
	deadline := time.Now().Add(patience)
	for group := range l.delivered {
		for {
			missing := l.undelivered(group)
			if len(missing) == 0 {
				break
			}
			if time.Now().After(deadline) {
				l.violate("%s never got %d acknowledged records, %s among them", group, len(missing), missing[0])
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func (l *ledger) undelivered(group string) (missing []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for value := range l.acked {
		if strings.HasPrefix(value, "idempotent-") && !l.delivered[group][value] {
			missing = append(missing, value)
		}
	}
	return missing
}

// readAll gives the values of each partition of a topic, in order, up to the end as it is now.
func readAll(bootstrap, topic string) map[int32][]string {
	offsets := map[int32]kgo.Offset{}
	for partition := range int32(partitions) {
		offsets[partition] = kgo.NewOffset().AtStart()
	}
	// A record of our own at each end tells when all before it has been read.
	client := newClient(bootstrap, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer client.CloseAllowingRebalance()
	end := fmt.Sprintf("end-%d", time.Now().UnixNano())
	for partition := range int32(partitions) {
		if err := client.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Partition: partition, Value: []byte(end)}).FirstErr(); err != nil {
			panic(err)
		}
	}
	values := map[int32][]string{}
	for ended := 0; ended < partitions; {
		client.PollFetches(context.Background()).EachRecord(func(record *kgo.Record) {
			value := string(record.Value)
			switch {
			case value == end:
				ended++
			case !strings.HasPrefix(value, "end-"):
				values[record.Partition] = append(values[record.Partition], value)
			}
		})
	}
	return values
}
