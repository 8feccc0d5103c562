package cluster_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// A ledger has every tick that was heard on the bus of any node.
type ledger struct {
	mu     sync.Mutex
	ticks  map[uint64]entry // by seq
	terms  map[uint64]*reign
	newest uint64 // seq
	faults []string
}

// An entry is one tick: who published it, in which term, and what it says.
type entry struct {
	node string
	term uint64
	text string
}

// A reign is all ticks of one term.
type reign struct {
	node        string
	first, last uint64
}

func newLedger() *ledger {
	return &ledger{ticks: map[uint64]entry{}, terms: map[uint64]*reign{}}
}

// listen takes in what is heard on the bus of a node, for as long as it runs.
func (l *ledger) listen(tb testing.TB, b *berth) {
	tb.Helper()
	var listening sync.WaitGroup
	tb.Cleanup(listening.Wait) // runs behind the connection's, which ends it
	c := b.NATS(tb)
	c.Subscribe("ticker.prices")
	listening.Go(func() {
		for d := range c.Deliveries() {
			term, err := strconv.ParseUint(d.Header.Get("Tickerd-Term"), 10, 64)
			if err != nil {
				l.fault("on the bus of %s a tick has the headers %v", b.name, d.Header)
				continue
			}
			var tick struct{ Seq uint64 }
			if err := json.Unmarshal([]byte(d.Data), &tick); err != nil {
				l.fault("on the bus of %s: %s", b.name, d.Data)
				continue
			}
			l.enter(tick.Seq, entry{d.Header.Get("Tickerd-Node"), term, d.Data})
		}
	})
}

// enter takes in one tick.
func (l *ledger) enter(seq uint64, e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was, known := l.ticks[seq]; known && was != e {
		l.faults = append(l.faults, fmt.Sprintf("there are two ticks %d: %+v and %+v", seq, was, e))
		return
	}
	l.ticks[seq] = e
	l.newest = max(l.newest, seq)
	if l.terms[e.term] == nil {
		l.terms[e.term] = &reign{e.node, seq, seq}
	}
	r := l.terms[e.term]
	r.first, r.last = min(r.first, seq), max(r.last, seq)
}

func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// of is the tick of a seq, if it was heard.
func (l *ledger) of(seq uint64) (entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, known := l.ticks[seq]
	return e, known
}

// check tells what is wrong by itself.
func (l *ledger) check(tb testing.TB) {
	tb.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var before *reign
	for _, term := range slices.Sorted(maps.Keys(l.terms)) {
		r := l.terms[term]
		if before != nil && r.first <= before.last {
			l.faults = append(l.faults, fmt.Sprintf("term %d of %s begins with tick %d, and the one before, of %s, ends with %d",
				term, r.node, r.first, before.node, before.last))
		}
		before = r
	}
	report(tb, "the bus", l.faults)
}

// isAt reports whether a tick of that seq was heard, or of a later one.
func (l *ledger) isAt(seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest >= seq
}

// count is how many ticks were published between two.
func (l *ledger) count(after, until uint64) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seq := range l.ticks {
		if seq > after && seq <= until {
			n++
		}
	}
	return n
}

// report fails the test for faults, and shows the first few.
func report(tb testing.TB, of string, faults []string) {
	tb.Helper()
	const most = 5
	for i, fault := range faults {
		if i == most {
			tb.Errorf("%s: and %d faults more", of, len(faults)-most)
			return
		}
		tb.Errorf("%s: %s", of, fault)
	}
}
