// Command franz loads a broker with franz-go, and prints MB/s or latency percentiles in one line.
//
//	franz create BOOTSTRAP TOPIC PARTITIONS
//	franz produce BOOTSTRAP TOPIC PARTITIONS RECORDS RECORD_BYTES     large batches, as fast as it goes
//	franz pace BOOTSTRAP TOPIC RECORDS_PER_SECOND SECONDS RECORD_BYTES one record at a time, at a steady rate
//	franz drain BOOTSTRAP TOPIC RECORDS                                from the beginning, so many records
//	franz raw BOOTSTRAP TOPIC PARTITIONS RECORDS                       the same by fetch requests that are not decoded
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"time"
)

func main() {
	commands := map[string]func(){"create": create, "produce": produce, "pace": pace, "drain": drain, "raw": raw}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "franz create|produce|pace|drain|raw BOOTSTRAP TOPIC …")
		os.Exit(2)
	}
	commands[os.Args[1]]()
}

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

// letters gives bytes that are not all the same.
func letters(size int) []byte {
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte('a' + rand.IntN(26))
	}
	return payload
}

func percentiles(latencies []time.Duration) string {
	slices.Sort(latencies)
	at := func(share float64) time.Duration {
		return latencies[int(share*float64(len(latencies)-1))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("latency p50 %v p99 %v p99.9 %v max %v", at(0.5), at(0.99), at(0.999), at(1))
}
