package main

import "strings"

// verify reads everything back, read_committed, and holds it against what was promised.
func (l *ledger) verify(bootstrap string) {
	l.verifySequences(readAll(bootstrap, idempotentTopic), "idempotent-", true)
	l.verifySequences(readAll(bootstrap, plainTopic), "plain-", false)
	l.verifyTransactions(readAll(bootstrap, txnTopic))
}

// verifySequences: nothing acknowledged is missing, the order holds, and with idempotence nothing is there twice.
func (l *ledger) verifySequences(values map[int32][]string, prefix string, once bool) {
	seen := map[string]int{}
	for partition, all := range values {
		last := map[string]string{}
		for _, value := range all {
			seen[value]++
			producer := value[:strings.LastIndex(value, ":")]
			if seen[value] == 1 {
				if value < last[producer] {
					l.violate("partition %d: %s comes after %s", partition, value, last[producer])
				}
				last[producer] = value
			} else if once {
				l.violate("partition %d: %s is there %d times", partition, value, seen[value])
			}
		}
	}
	for value := range l.acked {
		if strings.HasPrefix(value, prefix) && seen[value] == 0 {
			l.violate("%s was acknowledged and is gone", value)
		}
	}
}

// verifyTransactions: a committed one is there whole and once, an aborted one not at all, an unsettled one whole or not at all.
func (l *ledger) verifyTransactions(values map[int32][]string) {
	counts := map[string]int{}
	for partition, all := range values {
		last := map[string]string{}
		for _, value := range all {
			id := value[:strings.LastIndex(value, ":")]
			counts[id]++
			producer := id[:strings.LastIndex(id, ":")]
			if value <= last[producer] {
				l.violate("partition %d: %s comes after %s", partition, value, last[producer])
			}
			last[producer] = value
		}
	}
	for id, outcome := range l.outcomes {
		count := counts[id]
		switch {
		case outcome == committed && count != recordsPerTxn:
			l.violate("%s was committed and has %d of %d records", id, count, recordsPerTxn)
		case outcome == aborted && count != 0:
			l.violate("%s was aborted and shows %d records", id, count)
		case outcome == unknown && count != 0 && count != recordsPerTxn:
			l.violate("%s is torn: %d of %d records", id, count, recordsPerTxn)
		}
	}
}
