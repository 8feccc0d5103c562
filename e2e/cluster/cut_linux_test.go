package cluster_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestCutOff cuts one node off from the others. It says so, lets nobody in, and tells its
// clients; they stay. The others go on, and revoke a key. When the node is back it has
// learned that before it lets anybody in.
func TestCutOff(t *testing.T) {
	t.Parallel()
	f, n := newFarFleet(t, 3)
	token := f.token()
	lonely := f.others(f.publisher())[0]
	rest := f.others(lonely)
	watchers := f.watchAll(token)
	key, id := rest[0].NewKey(t, "--user", "ann")
	revoked := rest[1].tokenOf(t, key)

	n.cut(lonely.number())
	cut := time.Now()
	f.awaitCutOff(lonely)
	t.Logf("a node that is cut off says so within %v", time.Since(cut).Round(time.Millisecond))
	if took := time.Since(cut); took > 10*time.Second {
		t.Errorf("a node that is cut off has said so only after %v", took)
	}
	checkUnreachable(t, lonely, f.key, token)
	f.watcherOn(watchers, lonely).hears("stale")

	rest[1].Must(t, "key", "revoke", id)
	for _, w := range watchers {
		if w.home != lonely.name {
			w.moves()
		}
	}
	if r := lonely.Run(t, "key", "create", "--user", "bob"); r.Status != 1 || r.Stdout != "" {
		t.Errorf("a node that is cut off makes a key: %+v", r)
	}

	n.heal(lonely.number())
	healed := time.Now()
	eventually(t, "the node is back", func() bool {
		checkNotAdmitted(t, lonely, key, revoked)
		return lonely.Unready(t) == ""
	}, nil)
	t.Logf("it is back within %v", time.Since(healed).Round(time.Millisecond))
	checkRefused(t, lonely, key, revoked)
	f.watcherOn(watchers, lonely).hears("live")
	f.watcherOn(watchers, lonely).moves()
	for _, w := range watchers {
		if w.came() != 1 {
			t.Errorf("%s has come %d times", w.name, w.came())
		}
	}
	f.check(watchers...)
}

// awaitCutOff waits until a node says in readyz that it cannot reach the cluster.
func (f *fleet) awaitCutOff(b *berth) {
	f.tb.Helper()
	eventually(f.tb, b.name+" says that it is cut off", func() bool { return strings.Contains(b.Unready(f.tb), "cluster") }, nil)
}

// checkUnreachable checks that a node refuses clients because it cannot reach the cluster.
func checkUnreachable(t *testing.T, b *berth, key, token string) {
	t.Helper()
	if status, g := b.Exchange(t, key); status != http.StatusServiceUnavailable || g.Error != "cluster unreachable" {
		t.Errorf("a node that is cut off answers a key with status %d, %q", status, g.Error)
	}
	if c, status, reason := b.Upgrade(t, token, ""); c != nil || status != http.StatusServiceUnavailable || reason != "cluster unreachable" {
		t.Errorf("a node that is cut off answers an upgrade with status %d, %q", status, reason)
	}
}

// watcherOn is the one whose home is a node.
func (f *fleet) watcherOn(list []*watcher, b *berth) *watcher {
	f.tb.Helper()
	for _, w := range list {
		if w.home == b.name {
			return w
		}
	}
	f.tb.Fatalf("nobody watches on %s", b.name)
	return nil
}

// TestPublisherCutOff cuts off whoever publishes. Another goes on for the others, and when
// the line is back, for all.
func TestPublisherCutOff(t *testing.T) {
	t.Parallel()
	f, n := newFarFleet(t, 3)
	watchers := f.watchAll(f.token())
	was := f.publisher()
	n.cut(was.number())
	cut := time.Now()
	var pauses []time.Duration
	for _, w := range watchers {
		if w.home != was.name {
			pauses = append(pauses, w.seesAnother(was).at.Sub(cut))
		}
	}
	took(t, "from the cut of the publisher's line until another's prices are seen", pauses)
	f.awaitCutOff(was)
	f.watcherOn(watchers, was).hears("stale")
	n.heal(was.number())
	f.awaitReady(was)
	f.watcherOn(watchers, was).seesAnother(was)
	f.watcherOn(watchers, was).hears("live")
	for _, w := range watchers {
		w.moves()
		if w.came() != 1 {
			t.Errorf("%s has come %d times", w.name, w.came())
		}
	}
	f.check(watchers...)
}

// TestAllParted cuts every line. Nobody lets anybody in; when the lines are back, all do.
func TestAllParted(t *testing.T) {
	t.Parallel()
	f, n := newFarFleet(t, 3)
	token := f.token()
	watchers := f.watchAll(token)
	for _, b := range f.berths {
		n.cut(b.number())
	}
	for _, b := range f.berths {
		f.awaitCutOff(b)
		checkUnreachable(t, b, f.key, token)
	}
	for _, w := range watchers {
		w.hears("stale")
	}
	for _, b := range f.berths {
		n.heal(b.number())
	}
	for _, b := range f.berths {
		f.awaitReady(b)
	}
	for _, w := range watchers {
		w.moves()
		w.hears("live")
	}
	f.check(watchers...)
}

// TestSlowRoute has the line of one node carry little more than the ticks. Whatever is late
// there, nothing is mixed or left out, and nobody else notices.
func TestSlowRoute(t *testing.T) {
	t.Parallel()
	f, n := newFarFleet(t, 3)
	slow := f.others(f.publisher())[0]
	n.slow(slow.number(), "1mbit")
	watchers := f.watchAll(f.token())
	for range 3 {
		for _, w := range watchers {
			w.moves()
		}
	}
	f.check(watchers...)
}
