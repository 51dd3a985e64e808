// Command ledger writes and reads against a broker that is killed again and again, remembers what was acknowledged, and says afterwards
// whether every promise was kept.
//
//	ledger BOOTSTRAP [PACE]     until standard input ends; then it lets everything finish, reads it all back, and prints its verdict
//
// PACE is how long a producer rests between bursts, 50ms by default.
//
// Eight producers: three idempotent, two plain, three transactional; two groups of two members. While it runs it prints a line
// "committing" when a producer asks to commit and "settled" when it has an answer. Exit status 1: a promise was broken, and which.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions      = 6
	idempotentTopic = "ledger-idempotent"
	plainTopic      = "ledger-plain"
	txnTopic        = "ledger-transactional"
	recordsPerTxn   = 60
)

// ledger is what the broker has promised, and what it has shown.
type ledger struct {
	mu         sync.Mutex
	acked      map[string]bool // value -> acknowledged
	outcomes   map[string]txn  // transaction -> how it ended
	violations []string
	delivered  map[string]map[string]bool // group -> values delivered
}

type txn int

const (
	unknown txn = iota
	committed
	aborted
)

func (l *ledger) violate(format string, arguments ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.violations) < 50 {
		l.violations = append(l.violations, fmt.Sprintf(format, arguments...))
	}
}

func (l *ledger) ack(value string) {
	l.mu.Lock()
	l.acked[value] = true
	l.mu.Unlock()
}

func (l *ledger) end(id string, outcome txn) {
	l.mu.Lock()
	l.outcomes[id] = outcome
	l.mu.Unlock()
}

func main() {
	bootstrap := os.Args[1]
	if len(os.Args) > 2 {
		var err error
		if pace, err = time.ParseDuration(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	book := &ledger{acked: map[string]bool{}, outcomes: map[string]txn{}, delivered: map[string]map[string]bool{}}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	started := time.Now()
	var producing, consuming sync.WaitGroup
	for i := range 3 {
		producing.Go(func() { produceIdempotent(ctx, bootstrap, book, i) })
		producing.Go(func() { transact(ctx, bootstrap, book, i) })
	}
	for i := range 2 {
		producing.Go(func() { producePlain(ctx, bootstrap, book, i) })
	}
	reading, enough := context.WithCancel(context.Background())
	for group := range 2 {
		name := fmt.Sprintf("ledger-group-%d", group)
		book.delivered[name] = map[string]bool{}
		for range 2 {
			consuming.Go(func() { consume(reading, bootstrap, book, name) })
		}
	}
	producing.Wait()
	elapsed := time.Since(started)
	book.verify(bootstrap)
	book.awaitDelivery(2 * time.Minute)
	enough()
	consuming.Wait()
	fmt.Printf("acknowledged %d records and %d transactions in %.0f s (%.0f records/s)\n", len(book.acked), len(book.outcomes), elapsed.Seconds(), float64(len(book.acked)+recordsPerTxn*len(book.outcomes))/elapsed.Seconds())
	for _, violation := range book.violations {
		fmt.Println("broken:", violation)
	}
	if len(book.violations) > 0 {
		os.Exit(1)
	}
}

func newClient(bootstrap string, options ...kgo.Opt) *kgo.Client {
	options = append([]kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RequestRetries(1 << 30),
		kgo.RetryTimeout(time.Hour),
		kgo.DialTimeout(time.Second),
	}, options...)
	client, err := kgo.NewClient(options...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return client
}
