package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func produce() {
	bootstrap, topic, partitions, records, size := os.Args[2], os.Args[3], number(4), number(5), number(6)
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(50_000), kgo.ProducerLinger(5*time.Millisecond))
	check(err)
	payload := letters(size * 1024)
	latencies := make([]time.Duration, 0, records)
	var mu sync.Mutex
	started := time.Now()
	for i := range records {
		sent := time.Now()
		at := (i % 1024) * size
		record := &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: payload[at : at+size]}
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			check(err)
			mu.Lock()
			latencies = append(latencies, time.Since(sent))
			mu.Unlock()
		})
	}
	check(client.Flush(context.Background()))
	elapsed := time.Since(started).Seconds()
	fmt.Printf("%.1f MB/s, %.0f records/s, %s\n", float64(records*size)/1e6/elapsed, float64(records)/elapsed, percentiles(latencies))
	client.Close()
}
