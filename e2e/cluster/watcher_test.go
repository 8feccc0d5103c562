package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"

	"tickerd/e2e/nodetest"
)

// A watcher is a client that stays: it comes back whenever it is sent away or cut off, to
// a node that is ready, and says what it had last.
type watcher struct {
	fleet *fleet
	name  string
	token string
	home  string // the node that it wants; "": any

	watching sync.WaitGroup
	end      context.CancelFunc

	mu       sync.Mutex
	visits   []visit
	seen     []sight
	statuses []nodetest.Message
	refusals []string
}

// A visit is one connection.
type visit struct {
	node    string
	connID  string
	since   uint64 // 0: nothing was asked for
	resumed bool
	code    int // with which it was closed; 0: it was not, or without a frame
}

// A sight is one tick or snapshot.
type sight struct {
	visit    int
	at       time.Time
	seq      uint64
	ts       int64
	snapshot bool
	text     string
}

// watch has a client watch until the test ends.
func (f *fleet) watch(name, token, home string) *watcher {
	f.tb.Helper()
	ctx, cancel := context.WithCancel(f.tb.Context())
	w := &watcher{fleet: f, name: name, token: token, home: home, end: cancel}
	w.watching.Go(func() { w.run(ctx) })
	f.tb.Cleanup(w.stop)
	before := w.newest()
	w.await("prices", func(s sight) bool { return s.seq > before })
	return w
}

// watchAll has one client watch on each node that runs.
func (f *fleet) watchAll(token string) (list []*watcher) {
	f.tb.Helper()
	for _, b := range f.others() {
		list = append(list, f.watch("the client on "+b.name, token, b.name))
	}
	return list
}

// stop ends it.
func (w *watcher) stop() {
	w.end()
	w.watching.Wait()
}

func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		n, name := w.fleet.pick(ctx, w.home)
		if n == nil {
			return
		}
		query, since := "", w.newest()
		if since > 0 {
			query = "?since=" + strconv.FormatUint(since, 10)
		}
		c, status, reason, err := n.Connect(ctx, w.token, query)
		switch {
		case err != nil: // it has died since
			continue
		case c == nil:
			w.mu.Lock()
			w.refusals = append(w.refusals, fmt.Sprintf("%s: status %d, %s", name, status, reason))
			w.mu.Unlock()
			if status == http.StatusUnauthorized {
				return
			}
			continue
		}
		if code := w.stay(ctx, c, visit{node: name, since: since}); code >= 4500 {
			return
		}
	}
}

// pick finds a node that is ready, if it can the one that is wanted. It is nil when ctx has
// ended.
func (f *fleet) pick(ctx context.Context, home string) (*nodetest.Node, string) {
	for ctx.Err() == nil {
		doors := f.open()
		names := slices.Collect(maps.Keys(doors))
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		slices.SortStableFunc(names, func(a, b string) int { return order(b == home) - order(a == home) })
		for _, name := range names {
			if isReady(ctx, doors[name]) {
				return doors[name], name
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil, ""
}

// open are the doors of all nodes, also of those that are down.
func (f *fleet) open() map[string]*nodetest.Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.doors)
}

func order(first bool) int {
	if first {
		return 1
	}
	return 0
}

// isReady asks a node as a load balancer does.
func isReady(ctx context.Context, n *nodetest.Node) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	status, _, err := n.Try(ctx, http.MethodGet, "/readyz", "", nil)
	return err == nil && status == http.StatusOK
}

// stay takes what comes until the connection ends.
func (w *watcher) stay(ctx context.Context, c *nodetest.Client, v visit) int {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	w.mu.Lock()
	i := len(w.visits)
	w.visits = append(w.visits, v)
	w.mu.Unlock()
	for {
		m, err := c.Receive()
		w.mu.Lock()
		now := &w.visits[i]
		switch {
		case err != nil:
			if closed, ok := errors.AsType[wsutil.ClosedError](err); ok {
				now.code = int(closed.Code)
			}
			code := now.code
			w.mu.Unlock()
			return code
		case m.Type == "welcome":
			now.connID, now.resumed = m.ConnID, m.Resumed != nil && *m.Resumed
		case m.Type == "ticker":
			w.seen = append(w.seen, sight{i, time.Now(), m.Seq, m.TS, m.Snapshot, m.Raw})
		case m.Type == "status":
			w.statuses = append(w.statuses, m)
		}
		w.mu.Unlock()
	}
}

// newest is the seq that it has had last, 0 before the first.
func (w *watcher) newest() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		return 0
	}
	return w.seen[len(w.seen)-1].seq
}

// await waits until it has seen something from now on.
func (w *watcher) await(what string, is func(sight) bool) (found sight) {
	w.fleet.tb.Helper()
	w.mu.Lock()
	from := max(len(w.seen)-1, 0)
	w.mu.Unlock()
	eventually(w.fleet.tb, w.name+" sees "+what, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for ; from < len(w.seen); from++ {
			if found = w.seen[from]; is(found) {
				return true
			}
		}
		return false
	}, nil)
	return found
}

// moves waits until it sees what was published from now on.
func (w *watcher) moves() {
	w.fleet.tb.Helper()
	now := time.Now().UnixMicro()
	w.await("prices of now", func(s sight) bool { return s.ts > now })
}

// sees waits until it has a tick of who publishes now, which is not was.
func (w *watcher) seesAnother(was *berth) sight {
	w.fleet.tb.Helper()
	return w.await("prices of another publisher", func(s sight) bool {
		e, known := w.fleet.ledger.of(s.seq)
		return known && e.node != was.name && !s.snapshot
	})
}

// hears waits for a status.
func (w *watcher) hears(state string) {
	w.fleet.tb.Helper()
	eventually(w.fleet.tb, w.name+" is told that prices are "+state, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.statuses) > 0 && w.statuses[len(w.statuses)-1].State == state
	}, nil)
}

// where is the node that it is connected to, or was last.
func (w *watcher) where() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.visits[len(w.visits)-1].node
}

// came is how often it has come so far.
func (w *watcher) came() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.visits)
}

// longest is the longest time between two things that it saw, since some time.
func (w *watcher) longest(since time.Time) (gap time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := 1; i < len(w.seen); i++ {
		if w.seen[i].at.After(since) {
			gap = max(gap, w.seen[i].at.Sub(w.seen[i-1].at))
		}
	}
	return gap.Round(time.Millisecond)
}

// missed is how many ticks were published between the first that it saw and the last, and
// it did not see; a snapshot tells what became of some.
func (w *watcher) missed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	had := map[uint64]bool{}
	for _, s := range w.seen {
		had[s.seq] = true
	}
	if len(w.seen) == 0 {
		return 0
	}
	first, last := w.seen[0].seq, w.seen[len(w.seen)-1].seq
	n := w.fleet.ledger.count(first, last)
	for seq := range had {
		if _, known := w.fleet.ledger.of(seq); known && seq > first && seq <= last {
			n--
		}
	}
	return n
}

// check stops all watchers, and holds all that they have seen against the promises.
func (f *fleet) check(list ...*watcher) {
	f.tb.Helper()
	newest := uint64(0)
	for _, w := range list {
		w.stop()
		newest = max(newest, w.newest())
	}
	eventually(f.tb, "the ledger is as far as the watchers", func() bool { return f.ledger.isAt(newest) }, nil)
	f.ledger.check(f.tb)
	for _, w := range list {
		report(f.tb, w.name, w.faults())
	}
}

// faults are where the promises were not kept.
func (w *watcher) faults() (list []string) {
	fault := func(s sight, format string, args ...any) {
		v := w.visits[s.visit]
		list = append(list, fmt.Sprintf("visit %d, on %s since %d: %s: %s", s.visit, v.node, v.since, fmt.Sprintf(format, args...), s.text))
	}
	var last sight
	var term uint64
	for i, s := range w.seen {
		begins := i == 0 || s.visit != last.visit
		if begins {
			term = 0
			v := w.visits[s.visit]
			last = sight{visit: s.visit, seq: v.since}
			if v.resumed && !s.snapshot && s.seq != v.since+1 { // a snapshot, for who is too slow
				fault(s, "resumed, but behind %d comes", v.since)
			}
		}
		switch {
		case begins:
		case s.snapshot && s.seq < last.seq:
			fault(s, "behind %d comes a snapshot", last.seq)
		case !s.snapshot && s.seq <= last.seq:
			fault(s, "seq does not grow from %d", last.seq)
		case !s.snapshot && s.seq != last.seq+1:
			fault(s, "behind %d something was left out", last.seq)
		}
		if e, known := w.fleet.ledger.of(s.seq); known {
			switch {
			case e.term < term:
				fault(s, "a tick of term %d behind one of term %d", e.term, term)
			case !s.snapshot && e.text != s.text:
				fault(s, "the bus has %s, and the client", e.text)
			case s.snapshot && prices(e.text) != prices(s.text):
				fault(s, "the bus has %s, and the client", e.text)
			}
			term = e.term
		} else if !s.snapshot {
			w.fleet.ledger.enter(s.seq, entry{w.visits[s.visit].node, 0, s.text})
		}
		last = s
	}
	return list
}

// prices are those of a tick, as they stand in it.
func prices(text string) string {
	_, data, _ := strings.Cut(text, `"data":`)
	return data
}

// took logs what something took, in each case, and gives it to who compares.
func took(tb testing.TB, what string, list []time.Duration) {
	tb.Helper()
	slices.Sort(list)
	tb.Logf("%s: median %v, max %v, of %d", what, list[len(list)/2].Round(time.Millisecond), list[len(list)-1].Round(time.Millisecond), len(list))
}
