// Command franz is franz-go with default settings; the calls are in ../README.md.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func records(topic string, count int, prefix string) []*kgo.Record {
	all := make([]*kgo.Record, count)
	for i := range all {
		all[i] = &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "%s-%d", prefix, i%10), Value: fmt.Appendf(nil, "%s-%d", prefix, i)}
	}
	return all
}

func create(ctx context.Context, client *kgo.Client, name string, partitions int32) {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, -1
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics, request.TimeoutMillis = append(request.Topics, topic), 30_000
	response, err := request.RequestWith(ctx, client)
	check(err)
	check(kerr.ErrorForCode(response.Topics[0].ErrorCode))
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	call, bootstrap, topic, arguments := os.Args[1], os.Args[2], os.Args[3], os.Args[4:]
	switch call {
	case "create":
		partitions, err := strconv.Atoi(arguments[0])
		check(err)
		client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
		check(err)
		create(ctx, client, topic, int32(partitions))
		client.Close()
	case "produce":
		count, err := strconv.Atoi(arguments[0])
		check(err)
		client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(codec(arguments[1])))
		check(err)
		check(client.ProduceSync(ctx, records(topic, count, arguments[2])...).FirstErr())
		client.Close()
	case "transact":
		count, err := strconv.Atoi(arguments[1])
		check(err)
		client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.TransactionalID(arguments[0]))
		check(err)
		check(client.BeginTransaction())
		check(client.ProduceSync(ctx, records(topic, count, arguments[3])...).FirstErr())
		check(client.EndTransaction(ctx, kgo.TransactionEndTry(arguments[2] == "commit")))
		client.Close()
	case "consume":
		count, err := strconv.Atoi(arguments[1])
		check(err)
		client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(arguments[0]), kgo.ConsumeTopics(topic))
		check(err)
		for seen := 0; seen < count; {
			fetches := client.PollFetches(ctx)
			check(fetches.Err0())
			fetches.EachRecord(func(record *kgo.Record) {
				fmt.Println(string(record.Value))
				seen++
			})
		}
		check(client.CommitUncommittedOffsets(ctx))
		client.Close()
	}
}
