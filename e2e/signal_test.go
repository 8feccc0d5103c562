package e2e_test

import (
	"cmp"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tickerd/e2e/nodetest"
)

// TestDrain asks the server to end: each client is told when it will be sent away,
// and is then; nobody is let in any more.
func TestDrain(t *testing.T) {
	t.Parallel()
	const spread = 2 * time.Second
	n := nodetest.Start(t, "server.drain_spread="+spread.String())
	token := n.Token(t, n.Key)
	type leaver struct {
		*nodetest.Client
		after time.Duration
	}
	leavers := make([]leaver, 4)
	for i := range leavers {
		leavers[i].Client = n.Dial(t, token, "")
		leavers[i].Greeting()
	}
	asked := time.Now()
	n.Signal(t, syscall.SIGTERM)

	for i, l := range leavers {
		m := l.Await("drain")
		if m.Reconnect < 0 || m.Reconnect > spread.Milliseconds() {
			t.Errorf("drain: %s", m.Raw)
		}
		leavers[i].after = time.Duration(m.Reconnect) * time.Millisecond
	}
	if c, status, reason := n.Upgrade(t, token, ""); c != nil || status != http.StatusServiceUnavailable || reason != "draining" {
		t.Errorf("connecting to a server that drains: status %d, %q", status, reason)
	}
	if n.Unready(t) == "" {
		t.Error("a server that drains is ready")
	}

	slices.SortFunc(leavers, func(a, b leaver) int { return cmp.Compare(a.after, b.after) })
	if first, last := leavers[0].after, leavers[len(leavers)-1].after; last-first < spread/2 {
		t.Errorf("the clients are sent away after %v to %v", first, last)
	}
	for _, l := range leavers {
		if code := l.End(); code != 1001 {
			t.Errorf("a client is sent away with %d", code)
		}
		if took := time.Since(asked); took < l.after {
			t.Errorf("a client is sent away after %v, not %v", took, l.after)
		}
	}
	if status := n.Wait(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if took := time.Since(asked); took > spread+5*time.Second {
		t.Errorf("it took %v to drain over %v", took, spread)
	}
	if _, err := os.Stat(filepath.Join(n.Dir, "bus.sock")); err == nil {
		t.Error("the bus's socket is left behind")
	}
}

// TestInterrupt is Ctrl-C, with nobody connected: there is nothing to wait for.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t, "server.drain_spread=1h", "server.drain_timeout=1h")
	n.Signal(t, syscall.SIGINT)
	if status := n.Wait(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestSecondSignal ends a server at once that would drain for an hour.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t, "server.drain_spread=1h", "server.drain_timeout=1h")
	c := n.Dial(t, n.Token(t, n.Key), "")
	c.Greeting()
	n.Signal(t, syscall.SIGTERM)
	if m := c.Await("drain"); m.Reconnect < time.Hour.Milliseconds()/2 {
		t.Errorf("drain over an hour: %s", m.Raw)
	}
	c.Await("ticker") // it goes on
	n.Signal(t, syscall.SIGTERM)
	if status := n.Wait(t); status != 1 {
		t.Errorf("exit status %d", status)
	}
	nodetest.StartOn(t, n.Dir)
}

// TestKilled kills the server while it publishes, again and again: what it made
// counts on, and no number is given twice.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := nodetest.NewDataDir(t)
	var key, token string
	var lastSeq, lastTerm uint64
	for round := range 3 {
		n := nodetest.StartOn(t, dir)
		if key == "" {
			key, token = n.Key, n.Token(t, n.Key)
		}
		if n.Key != key {
			t.Fatalf("round %d: the demo key is another one", round)
		}
		observer := n.NATS(t)
		observer.Subscribe("ticker.>")
		term, err := strconv.ParseUint(observer.Await("ticker.prices").Header.Get("Tickerd-Term"), 10, 64)
		if err != nil || term <= lastTerm {
			t.Fatalf("round %d: term %d after %d, %v", round, term, lastTerm, err)
		}
		lastTerm = term

		query := ""
		if lastSeq > 0 {
			query = "?since=" + strconv.FormatUint(lastSeq, 10)
		}
		c := n.Dial(t, token, query)
		welcome, first := c.Greeting()
		if first.Seq <= lastSeq || lastSeq > 0 && (welcome.Resumed == nil || *welcome.Resumed) {
			t.Fatalf("round %d: after tick %d of the last run: %s and %s", round, lastSeq, welcome.Raw, first.Raw)
		}
		for seq := range checkTicks(t, c, first, 20) {
			lastSeq = max(lastSeq, seq)
		}
		n.Kill()
		if _, err := os.Stat(filepath.Join(dir, "bus.sock")); err != nil {
			t.Errorf("the kill left no socket that could be in the way: %v", err)
		}
	}
}

// TestResume comes back with the number of the last tick and misses none.
func TestResume(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t)
	token := n.Token(t, n.Key)
	c := n.Dial(t, token, "")
	_, snapshot := c.Greeting()
	ticks := checkTicks(t, c, snapshot, 5)
	var last uint64
	for seq := range ticks {
		last = max(last, seq)
	}
	c.Bye()
	c = n.Dial(t, token, "?since="+strconv.FormatUint(last, 10))
	if m := c.Next(); m.Resumed == nil || !*m.Resumed {
		t.Errorf("welcome: %s", m.Raw)
	}
	for range 20 {
		last++
		if m := c.Next(); m.Type != "ticker" || m.Snapshot || m.Seq != last {
			t.Fatalf("instead of tick %d: %s", last, m.Raw)
		}
	}
}
