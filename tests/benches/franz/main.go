// Command franz produces with franz-go's large batches and prints MB/s and latency percentiles.
//
//	franz BOOTSTRAP TOPIC PARTITIONS RECORDS RECORD_BYTES
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func number(index int) int {
	value, err := strconv.Atoi(os.Args[index])
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	bootstrap, topic, partitions, records, size := os.Args[1], os.Args[2], number(3), number(4), number(5)
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(50_000), kgo.ProducerLinger(5*time.Millisecond))
	check(err)
	payload := make([]byte, size*1024)
	for i := range payload {
		payload[i] = byte('a' + rand.IntN(26))
	}
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
	slices.Sort(latencies)
	at := func(share float64) time.Duration { return latencies[int(share*float64(len(latencies)-1))].Round(10 * time.Microsecond) }
	fmt.Printf("%.1f MB/s, %.0f records/s, latency p50 %v p99 %v p99.9 %v\n", float64(records*size)/1e6/elapsed, float64(records)/elapsed, at(0.5), at(0.99), at(0.999))
	client.Close()
}
