package bus_test

import (
	"context"
	"testing"
	"time"

	"tickerd/bus/bustest"
)

func TestLeaseGrowsOverRestarts(t *testing.T) {
	s := bustest.New(t)
	c := bustest.Connect(t, s, "feed")
	var lastSeq, lastTerm uint64
	start := time.Now()
	for range 3 {
		l, err := c.AcquireLease(context.Background(), s.Node())
		if err != nil {
			t.Fatal(err)
		}
		if l.Term() <= lastTerm {
			t.Fatalf("term %d after %d", l.Term(), lastTerm)
		}
		seq, err := l.NextSeq()
		if err != nil {
			t.Fatal(err)
		}
		if seq <= lastSeq {
			t.Fatalf("seq %d after %d", seq, lastSeq)
		}
		lastSeq, lastTerm = seq, l.Term()
	}
	t.Log(lastSeq, lastTerm, time.Since(start))
}
