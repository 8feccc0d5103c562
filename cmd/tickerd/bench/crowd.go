package bench

import (
	"cmp"
	"math"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A crowd is all shards of a run.
type crowd []*shard

func newCrowd(c Config, to *target) crowd {
	list := make(crowd, c.Threads)
	for i := range list {
		list[i] = newShard(c, to, i)
	}
	return list
}

// stop holds all shards up, in order, so that what follows happens between two
// messages. Only the run calls it.
func (c crowd) stop() {
	for _, s := range c {
		s.mu.Lock()
	}
}

func (c crowd) resume() {
	for _, s := range c {
		s.mu.Unlock()
	}
}

// open begins the window: what comes from here on counts.
func (c crowd) open() {
	c.stop()
	defer c.resume()
	w := window{c.highest(), math.MaxUint64}
	for _, s := range c {
		s.open(w)
	}
}

// close ends it, and returns it. Its ticks count until the end of the run.
func (c crowd) close() window {
	c.stop()
	defer c.resume()
	w := window{c[0].window.after, c.highest()}
	for _, s := range c {
		s.window, s.counting = w, false
	}
	return w
}

// highest is the highest seq that anyone has seen. The shards stand still.
func (c crowd) highest() uint64 {
	return slices.MaxFunc(c, func(a, b *shard) int { return cmp.Compare(a.highest, b.highest) }).highest
}

// counts are the sums of all shards, each as of some moment.
func (c crowd) counts() (sum counts) {
	for _, s := range c {
		s.mu.Lock()
		sum.add(s.tally.counts)
		s.mu.Unlock()
	}
	return sum
}

// delays are those of the window so far.
func (c crowd) delays() *hdrhistogram.Histogram {
	sum := newHistogram()
	for _, s := range c {
		s.mu.Lock()
		sum.Merge(s.tally.delay)
		s.mu.Unlock()
	}
	return sum
}

// served reports whether every connection has come to a seq.
func (c crowd) served(seq uint64) bool {
	return !slices.ContainsFunc(c, func(s *shard) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.ContainsFunc(s.clients, func(c client) bool {
			return c.opened && !c.slow && c.last < seq
		})
	})
}

// sum is everything that was counted: the tally, the ledger, and the ticks of each
// connection that was open when the window began, in order of size.
func (c crowd) sum() (*tally, *ledger, []uint32) {
	c.stop()
	defer c.resume()
	all, seqs := newTally(), new(ledger)
	var ticks []uint32
	for _, s := range c {
		all.add(s.tally)
		seqs.add(&s.ledger)
		for i := range s.clients {
			if s.clients[i].member {
				ticks = append(ticks, s.clients[i].ticks)
			}
		}
	}
	slices.Sort(ticks)
	return all, seqs, ticks
}
