package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const burst = 200

// pace is how long a producer rests after each burst of records: this long keeps the sum of all near 25,000 records/s.
var pace = 50 * time.Millisecond

// produceIdempotent writes a sequence to one partition. What is acknowledged is there once, in order; nothing is there twice.
func produceIdempotent(ctx context.Context, bootstrap string, book *ledger, index int) {
	client := newClient(bootstrap)
	defer client.Close()
	sequence(ctx, client, book, idempotentTopic, fmt.Sprintf("idempotent-%d", index), int32(index))
}

// producePlain writes the same without idempotence: what is acknowledged is there, perhaps more than once.
func producePlain(ctx context.Context, bootstrap string, book *ledger, index int) {
	client := newClient(bootstrap, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	defer client.Close()
	sequence(ctx, client, book, plainTopic, fmt.Sprintf("plain-%d", index), int32(index))
}

func sequence(ctx context.Context, client *kgo.Client, book *ledger, topic, name string, partition int32) {
	for number := 0; ctx.Err() == nil; {
		for range burst {
			value := fmt.Sprintf("%s:%08d", name, number)
			number++
			client.Produce(context.Background(), &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}, func(_ *kgo.Record, err error) {
				if err != nil {
					book.violate("%s was refused for good: %v", value, err)
					return
				}
				book.ack(value)
			})
		}
		rest(ctx, pace)
	}
	if err := client.Flush(context.Background()); err != nil {
		book.violate("%s could not be flushed: %v", name, err)
	}
}

// transact writes transactions over several partitions; every fifth it aborts itself.
func transact(ctx context.Context, bootstrap string, book *ledger, index int) {
	name := fmt.Sprintf("transactional-%d", index)
	var client *kgo.Client
	for number := 0; ctx.Err() == nil; number++ {
		if client == nil {
			client = newClient(bootstrap, kgo.TransactionalID(name), kgo.TransactionTimeout(20*time.Second))
		}
		if !oneTransaction(client, book, fmt.Sprintf("%s:%06d", name, number), number%5 != 4) {
			// What became of it is not known: a new producer with the same id settles it.
			client.CloseAllowingRebalance()
			client = nil
		}
		rest(ctx, pace/5)
	}
	if client != nil {
		client.Close()
	}
}

func oneTransaction(client *kgo.Client, book *ledger, id string, commit bool) bool {
	book.end(id, unknown)
	if err := client.BeginTransaction(); err != nil {
		return false
	}
	failed := make(chan error, recordsPerTxn)
	for k := range recordsPerTxn {
		record := &kgo.Record{Topic: txnTopic, Partition: int32(k % partitions), Value: fmt.Appendf(nil, "%s:%03d", id, k)}
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) { failed <- err })
	}
	var refused error
	for range recordsPerTxn {
		refused = errors.Join(refused, <-failed)
	}
	try := kgo.TransactionEndTry(commit && refused == nil)
	if try {
		fmt.Println("committing")
	}
	err := client.EndTransaction(context.Background(), try)
	if try {
		fmt.Println("settled")
	}
	switch {
	case err != nil:
		return false
	case bool(try):
		book.end(id, committed)
	default:
		book.end(id, aborted)
	}
	return true
}

func rest(ctx context.Context, duration time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(duration):
	}
}
