package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// raw drains a topic by fetch requests whose answers are not decoded beyond the heads of their batches, so that what it measures is the
// broker and not the client.
func raw() {
	topic, partitions, records := os.Args[3], number(4), int64(number(5))
	// Fetch 12 names topics; later ones have ids.
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Args[2]), kgo.MaxVersions(kversion.V2_8_0()))
	check(err)
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes = 500, 1, 50<<20
	request.SessionEpoch = -1
	wanted := kmsg.NewFetchRequestTopic()
	wanted.Topic = topic
	for i := range partitions {
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.Partition, partition.PartitionMaxBytes = int32(i), 1<<20
		wanted.Partitions = append(wanted.Partitions, partition)
	}
	request.Topics = append(request.Topics, wanted)
	var bytes int
	var count int64
	started := time.Now()
	for count < records {
		answer, err := client.Broker(0).Request(context.Background(), request)
		check(err)
		for _, partition := range answer.(*kmsg.FetchResponse).Topics[0].Partitions {
			check(kerr.ErrorForCode(partition.ErrorCode))
			at := &request.Topics[0].Partitions[partition.Partition].FetchOffset
			for batches := partition.RecordBatches; len(batches) >= 61; {
				length := 12 + int(binary.BigEndian.Uint32(batches[8:]))
				next := int64(binary.BigEndian.Uint64(batches)) + int64(binary.BigEndian.Uint32(batches[23:])) + 1
				count += next - *at
				*at = next
				bytes += length
				batches = batches[length:]
			}
		}
	}
	elapsed := time.Since(started).Seconds()
	fmt.Printf("%.1f MB/s, %.0f records/s\n", float64(bytes)/1e6/elapsed, float64(count)/elapsed)
	client.Close()
}
