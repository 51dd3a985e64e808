package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func drain() {
	bootstrap, topic, records := os.Args[2], os.Args[3], number(4)
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	check(err)
	var bytes, count int
	started := time.Now()
	for count < records {
		fetches := client.PollFetches(context.Background())
		for _, failed := range fetches.Errors() {
			check(failed.Err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			bytes += len(record.Value)
			count++
		})
	}
	elapsed := time.Since(started).Seconds()
	fmt.Printf("%.1f MB/s, %.0f records/s\n", float64(bytes)/1e6/elapsed, float64(count)/elapsed)
	client.Close()
}
