package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/e2e/nodetest"
)

// TestFaults makes faults at random, one after the other, for as long as the flag -faults
// says, while clients on all nodes hold what they see against the promises. It logs each,
// and in the end what came of them. The flag -seed has the same faults made again.
func TestFaults(t *testing.T) {
	t.Parallel()
	seed := *faultSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	t.Logf("seed %d", seed)
	f, n := newFarFleet(t, 3)
	s := &series{fleet: f, network: n, random: rand.New(rand.NewPCG(seed, 0)), began: time.Now(), count: map[string]int{}, gaps: map[string][]time.Duration{}}
	token := f.token()
	for _, b := range f.berths {
		for i := range 2 {
			s.watchers = append(s.watchers, f.watch(fmt.Sprintf("client %d of %s", i, b.name), token, b.name))
		}
	}
	p := newProber(f)
	defer p.stop()
	for time.Since(s.began) < *faultsFor {
		s.fault(p)
	}
	p.stop()
	f.check(s.watchers...)
	report(t, "tokens", p.faults)
	s.sum(t)
}

// A series of faults.
type series struct {
	fleet    *fleet
	network  *network
	random   *rand.Rand
	watchers []*watcher
	began    time.Time

	count   map[string]int
	gaps    map[string][]time.Duration // for the clients of the others
	keys    int
	refused int // changes of keys that were not confirmed
	changes []time.Duration
}

// fault makes one, has it last, mends it, and waits until all is well.
func (s *series) fault(p *prober) {
	f := s.fleet
	f.tb.Helper()
	kinds := []struct {
		name string
		make func(*berth)
		mend func(*berth)
	}{
		{"kill", f.kill, f.begin},
		{"stop", f.stop, f.begin},
		{"freeze", f.freeze, f.thaw},
		{"cut", func(b *berth) { s.network.cut(b.number()) }, func(b *berth) { s.network.heal(b.number()) }},
	}
	kind := kinds[s.random.IntN(len(kinds))]
	victim := f.berths[s.random.IntN(len(f.berths))]
	role := "another node"
	if victim == f.publisher() {
		role = "the publisher"
	}
	leader := s.leader(bus.LeaseStream)
	lasts := time.Duration(s.random.IntN(8000)) * time.Millisecond
	what := kind.name + " of " + role
	at := time.Since(s.began)

	var others []*watcher
	for _, w := range s.watchers {
		if w.where() != victim.name {
			others = append(others, w)
		}
	}
	p.blame(victim)
	made := time.Now()
	kind.make(victim)
	gap := time.Duration(0)
	for _, w := range others {
		w.moves()
		gap = max(gap, w.longest(made))
	}
	s.count[what]++
	if len(others) > 0 {
		s.gaps[what] = append(s.gaps[what], gap)
	}
	s.changeKeys(p, victim)
	if rest := lasts - time.Since(made); rest > 0 {
		select {
		case <-time.After(rest): // it is to last so long: nothing is waited for
		case <-f.tb.Context().Done():
		}
	}
	kind.mend(victim)
	mended := time.Now()
	f.awaitReady(victim)
	f.settle()
	for _, w := range s.watchers {
		w.moves()
	}
	p.forgive(victim)
	f.tb.Logf("%8v  %-22s %s  lasted %-7v a gap for the others of %-7v all well after %-6v the lease was led by %s", at.Round(10*time.Millisecond),
		what, victim.name, mended.Sub(made).Round(10*time.Millisecond), gap.Round(10*time.Millisecond), time.Since(mended).Round(10*time.Millisecond), leader)
}

// changeKeys makes a key and revokes it, on nodes that are well. The prober has its token
// from then on.
func (s *series) changeKeys(p *prober, victim *berth) {
	f := s.fleet
	f.tb.Helper()
	rest := f.others(victim)
	asked := time.Now()
	s.confirm(rest[0], "key", "create", "--user", "ann")
	key, id := rest[0].NewKey(f.tb, "--user", "ann")
	token := rest[1].tokenOf(f.tb, key)
	s.confirm(rest[1], "key", "revoke", id)
	s.keys++
	s.changes = append(s.changes, time.Since(asked))
	p.revoked(key, token)
}

// confirm carries out a change of keys until the cluster confirms it: in an election it
// cannot.
func (s *series) confirm(b *berth, args ...string) {
	s.fleet.tb.Helper()
	var r nodetest.Result
	eventually(s.fleet.tb, "tickerd "+strings.Join(args, " ")+" is confirmed", func() bool {
		if r = b.Run(s.fleet.tb, args...); r.Status != 0 {
			s.refused++
			s.fleet.tb.Logf("%s: tickerd %s: %s", b.name, strings.Join(args, " "), r.Stderr)
		}
		return r.Status == 0
	}, nil)
}

// leader is the node that leads a stream.
func (s *series) leader(stream string) string {
	s.fleet.tb.Helper()
	operator := s.fleet.others()[0].Operator(s.fleet.tb)
	defer operator.Close()
	var info streamInfo
	answer, _ := operator.Request("$JS.API.STREAM.INFO."+stream, "", 5*time.Second)
	_ = json.Unmarshal([]byte(answer.Data), &info) // where nobody answers, nobody leads
	return info.Cluster.Leader
}

// sum logs what came of all faults.
func (s *series) sum(tb testing.TB) {
	tb.Helper()
	visits, resumed, refused, ticks, snapshots := 0, 0, 0, 0, 0
	for _, w := range s.watchers {
		visits += len(w.visits)
		refused += len(w.refusals)
		for _, v := range w.visits {
			if v.resumed {
				resumed++
			}
		}
		for _, seen := range w.seen {
			if seen.snapshot {
				snapshots++
			} else {
				ticks++
			}
		}
		for _, refusal := range w.refusals {
			if !strings.Contains(refusal, "status 503") {
				tb.Errorf("%s was refused: %s", w.name, refusal)
			}
		}
	}
	tb.Logf("%v of faults: %v; %d keys were made and revoked, %d changes of keys not confirmed", time.Since(s.began).Round(time.Second), s.count, s.keys, s.refused)
	took(tb, "to make two keys and revoke one, beside a fault", s.changes)
	for _, what := range slices.Sorted(maps.Keys(s.gaps)) {
		took(tb, "the longest gap for clients of the others after a "+what, s.gaps[what])
	}
	tb.Logf("%d clients had %d connections, of which %d resumed, %d refusals, %d ticks and %d snapshots", len(s.watchers), visits, resumed, refused, ticks, snapshots)
}

// A prober tries what was revoked on every node, all the time.
type prober struct {
	fleet   *fleet
	end     context.CancelFunc
	probing sync.WaitGroup

	mu     sync.Mutex
	keys   []revokedKey
	excuse map[string]time.Time // nodes that do not know yet that they are cut off, until when
	faults []string
}

type revokedKey struct {
	key, token string
	at         time.Time
}

// unaware is how long a node may let in whom the others have revoked, after it was cut off
// from them.
const unaware = 10 * time.Second

func newProber(f *fleet) *prober {
	ctx, cancel := context.WithCancel(f.tb.Context())
	p := &prober{fleet: f, end: cancel, excuse: map[string]time.Time{}}
	p.probing.Go(func() { p.run(ctx) })
	return p
}

func (p *prober) stop() {
	p.end()
	p.probing.Wait()
}

// revoked has a key and its token tried from now on.
func (p *prober) revoked(key, token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, revokedKey{key, token, time.Now()})
}

// blame says that a fault is made at a node, forgive that it is well.
func (p *prober) blame(b *berth) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.excuse[b.name] = time.Now().Add(unaware)
}

func (p *prober) forgive(b *berth) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.excuse, b.name)
}

func (p *prober) run(ctx context.Context) {
	for ctx.Err() == nil {
		p.mu.Lock()
		keys := p.keys[max(0, len(p.keys)-3):]
		p.mu.Unlock()
		for _, k := range keys {
			p.try(ctx, k)
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// try tries the token of a key on every node.
func (p *prober) try(ctx context.Context, k revokedKey) {
	for name, n := range p.fleet.open() {
		asked := time.Now()
		trying, cancel := context.WithTimeout(ctx, time.Second)
		c, _, _, err := n.Connect(trying, k.token, "")
		cancel()
		if err != nil || c == nil {
			continue
		}
		_ = c.Close() // it has served its purpose
		p.mu.Lock()
		excused := asked.Before(p.excuse[name])
		if !excused && asked.Sub(k.at) > promptly {
			p.faults = append(p.faults, fmt.Sprintf("%s lets in who was revoked %v before", name, asked.Sub(k.at)))
		}
		p.mu.Unlock()
	}
}
