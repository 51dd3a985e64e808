package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pace sends each record at its time, whether or not those before are answered, and counts its latency from that time: a broker that
// stalls is charged for all that was to be sent meanwhile.
func pace() {
	bootstrap, topic, rate, seconds, size := os.Args[2], os.Args[3], number(4), number(5), number(6)
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.MaxBufferedRecords(100_000))
	check(err)
	payload := letters(size)
	records := rate * seconds
	latencies := make([]time.Duration, 0, records)
	var mu sync.Mutex
	// What connecting takes is no latency of a record.
	check(client.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Value: payload}).FirstErr())
	started := time.Now()
	for i := range records {
		due := started.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		client.Produce(context.Background(), &kgo.Record{Topic: topic, Value: payload}, func(_ *kgo.Record, err error) {
			check(err)
			mu.Lock()
			latencies = append(latencies, time.Since(due))
			mu.Unlock()
		})
	}
	check(client.Flush(context.Background()))
	fmt.Printf("%.0f records/s, %s\n", float64(records)/time.Since(started).Seconds(), percentiles(latencies))
	client.Close()
}
