//go:build unix

package cluster_test

import (
	"syscall"
	"testing"
)

// freeze has a node do nothing until it is thawed.
func (f *fleet) freeze(b *berth) {
	f.tb.Helper()
	b.down = true
	b.Signal(f.tb, syscall.SIGSTOP)
}

func (f *fleet) thaw(b *berth) {
	f.tb.Helper()
	b.Signal(f.tb, syscall.SIGCONT)
	b.down = false
}

// TestPublisherStopped stops whichever node publishes by SIGSTOP until another one does,
// and has it go on. What it still says is ignored, also by its own clients.
func TestPublisherStopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	watchers := f.watchAll(f.token())
	was := f.publisher()
	f.freeze(was)
	for _, w := range watchers {
		if w.home != was.name {
			w.seesAnother(was)
		}
	}
	f.thaw(was)
	for _, w := range watchers {
		w.seesAnother(was)
		w.moves()
	}
	f.awaitReady(was)
	for _, w := range watchers {
		if n := w.came(); n != 1 {
			t.Errorf("%s has come %d times", w.name, n)
		}
	}
	f.check(watchers...)
}
