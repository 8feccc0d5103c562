package cluster

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"tickerd/bus"
)

func TestSilentNodeIsGone(t *testing.T) {
	inTime(t, func(t *testing.T, a *air, nodes []*station) {
		a.lose(off("a"))
		pass(10 * time.Second)
		if got := nodes[1].called(); got != "" {
			t.Errorf("called %q within ten seconds", got)
		}
		pass(2 * beatEvery)
		if got := nodes[1].called(); got != "gone a" || nodes[1].names() != "b c" {
			t.Errorf("called %q, sees %q", got, nodes[1].names())
		}
		if got := nodes[0].called(); got != "touch false, gone b, gone c" && got != "touch false, gone c, gone b" {
			t.Errorf("who is cut off: called %q", got)
		}
		pass(time.Minute)
		if got := nodes[1].called(); got != "" {
			t.Errorf("called %q again", got)
		}
		a.lose(nothing)
		pass(beatEvery)
		if got := nodes[1].names(); got != "a b c" {
			t.Errorf("sees %q", got)
		}
		a.lose(off("a"))
		pass(time.Minute)
		if got := nodes[1].called(); got != "gone a" {
			t.Errorf("called %q after it had come back", got)
		}
	})
}

func TestGoodbye(t *testing.T) {
	inTime(t, func(t *testing.T, a *air, nodes []*station) {
		nodes[0].stop()
		synctest.Wait()
		if got := nodes[1].called(); got != "gone a" || nodes[1].names() != "b c" {
			t.Errorf("called %q, sees %q", got, nodes[1].names())
		}
		nodes[0] = a.voter("a", 3)
		pass(2 * beatEvery)
		if got := nodes[1].called(); got != "" || nodes[1].names() != "a b c" {
			t.Errorf("called %q, sees %q", got, nodes[1].names())
		}
	})
}

// The connections of a node that was killed are gone, even if it is there again at once.
func TestStartedAnew(t *testing.T) {
	inTime(t, func(t *testing.T, a *air, nodes []*station) {
		a.lose(off("a"))
		nodes[0].stop() // nobody hears the goodbye
		nodes[0] = a.voter("a", 3)
		a.lose(nothing)
		pass(2 * beatEvery)
		for _, s := range nodes[1:] {
			if got := s.called(); got != "gone a" || s.names() != "a b c" {
				t.Errorf("%s: called %q, sees %q", s.cfg.Node, got, s.names())
			}
		}
		pass(time.Minute)
		if got := nodes[1].called(); got != "" || nodes[1].log.count("same name") > 0 {
			t.Errorf("called %q", got)
		}
	})
}

func TestSameName(t *testing.T) {
	inTime(t, func(t *testing.T, a *air, nodes []*station) {
		pass(beatEvery / 2) // they beat in turn
		second := a.voter("a", 3)
		defer second.stop()
		pass(10 * time.Second)
		for _, s := range []*station{nodes[0], second} {
			if n := s.log.count("level=ERROR", "another node has the name of this one", "node=a"); n != 1 {
				t.Errorf("who has the name says so %d times", n)
			}
			s.called()
		}
		if n := nodes[1].log.count("level=ERROR", "two nodes have the same name", "node=a"); n != 1 {
			t.Errorf("another says so %d times", n)
		}
		if got := nodes[1].called(); got != "gone a" {
			t.Errorf("called %q: nobody can tell that it is no new start, but once", got)
		}
		pass(complainEvery)
		if n := nodes[1].log.count("two nodes have the same name"); n != 2 {
			t.Errorf("after a minute it was said %d times", n)
		}
	})
}

func TestTokenKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{t: t}
		keys := map[string]string{"a": "ours", "b": "ours", "c": "theirs", "d": ""}
		nodes := map[string]*station{}
		for name, key := range keys {
			nodes[name] = a.start(Config{Node: name}, Node{State: Ready, TokenKey: key})
			defer nodes[name].stop()
		}
		pass(10 * time.Second)
		for from, to := range map[string]string{"a": "c", "b": "c", "c": "a"} {
			if n := nodes[from].log.count("level=ERROR", "auth.token_key", "node="+to+" ", "our_key="+keys[from]); n != 1 {
				t.Errorf("%s complains of %s %d times", from, to, n)
			}
		}
		for from, complaints := range map[string]int{"a": 1, "c": 2, "d": 0} {
			if n := nodes[from].log.count("auth.token_key"); n != complaints {
				t.Errorf("%s complains %d times", from, n)
			}
		}
	})
}

func TestChanged(t *testing.T) {
	inTime(t, func(t *testing.T, _ *air, nodes []*station) {
		state := func() string { return nodes[1].Nodes()[0].State }
		pass(beatEvery / 10)
		nodes[0].say(Node{State: Draining, Voter: true, LagMS: -5})
		synctest.Wait()
		if state() != Ready {
			t.Fatal("it has beaten by itself")
		}
		nodes[0].Changed()
		synctest.Wait()
		if state() != Draining {
			t.Error("nobody knows yet")
		}
		if lag := nodes[1].Nodes()[0].LagMS; lag != 0 {
			t.Errorf("a lag of %d ms", lag)
		}
		if heard := nodes[1].Nodes()[0].HeardMS; heard != 0 {
			t.Errorf("heard %d ms ago", heard)
		}
		pass(beatEvery / 5)
		if heard := nodes[1].Nodes()[0].HeardMS; heard != (beatEvery / 5).Milliseconds() {
			t.Errorf("heard %d ms ago", heard)
		}
	})
}

func TestRollIsAnswered(t *testing.T) {
	inTime(t, func(t *testing.T, a *air, nodes []*station) {
		pass(beatEvery / 2)
		for range 100 {
			a.carry("x", &bus.Msg{Subject: bus.NodeRoll})
		}
		synctest.Wait()
		for _, seen := range nodes[0].Nodes() {
			if seen.HeardMS != 0 {
				t.Errorf("%s was heard %d ms ago", seen.Node.Node, seen.HeardMS)
			}
		}
	})
}

// A call that takes its time holds up neither beats nor judgements.
func TestSlowCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{t: t}
		other := a.voter("b", 2)
		defer other.stop()
		slow := make(chan struct{})
		first := a.start(Config{Node: "a", Voters: func() int { return 2 }}, Node{State: Ready, Voter: true})
		defer first.stop()
		first.notices.add(func() { <-slow })
		pass(time.Minute)
		if !first.InTouch() || first.called() != "" {
			t.Error("not in touch, or it was told")
		}
		if got := other.called(); got != "touch true" {
			t.Errorf("the other: called %q", got)
		}
		a.lose(off("a"))
		pass(time.Minute)
		close(slow)
		synctest.Wait()
		if got := first.called(); got != "touch true, touch false, gone b" {
			t.Errorf("called %q", got)
		}
	})
}

// What anybody says in the name of nodes takes no more memory than so many nodes.
func TestTooManyNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{t: t}
		s := a.voter("a", 1)
		defer s.stop()
		for i := range 2 * maxNodes {
			name := fmt.Sprint("node-", i)
			data, err := json.Marshal(Node{Node: name, State: Ready})
			if err != nil {
				t.Fatal(err)
			}
			a.carry("x", &bus.Msg{Subject: bus.EdgeOf(name), Data: data})
		}
		synctest.Wait()
		if n := len(s.Nodes()); n != maxNodes {
			t.Errorf("%d nodes", n)
		}
		if n := s.log.count("level=ERROR", "too many nodes"); n != 1 {
			t.Errorf("complains %d times", n)
		}
		if !s.InTouch() {
			t.Error("not in touch")
		}
		pass(time.Minute)
		if got := s.names(); got != "a" {
			t.Errorf("after a minute it sees %q", got)
		}
	})
}

// The list of as many nodes as there may be, with much to say, fits into a message.
func TestLongList(t *testing.T) {
	const maxPayload = 1 << 20
	long := func(n int) string { return fmt.Sprintf("%0*d", n, 0) }
	s := Seen{Node{
		Node: long(maxName), RunID: long(maxText), Version: long(maxText), State: long(maxText), TokenKey: long(maxText),
		StartedAt: 1 << 40, Voters: maxNodes, Connections: 1 << 30, Held: 1 << 30, Term: 1 << 40, Seq: 1 << 50, LagMS: 1 << 40, KeySeq: 1 << 40,
	}, 1 << 20}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if n := maxNodes * (len(data) + 1); n > maxPayload {
		t.Errorf("%d bytes", n)
	}
}

// Who has no say beats less often, for there may be very many of them, and is not heard
// by those who want voters only.
func TestBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{t: t}
		voter := a.voter("a", 1)
		gateway := a.start(Config{Node: "b"}, Node{State: Ready})
		edge := a.start(Config{Node: "c", VotersOnly: true}, Node{State: Ready})
		beats := map[string]int{}
		time.Sleep(1100 * time.Millisecond) // between two beats
		a.lose(func(from, to string) bool {
			if to == "a" {
				beats[from]++
			}
			return false
		})
		before := a.called()
		time.Sleep(time.Minute)
		a.lose(nothing)
		if calls := a.called() - before; calls > 0 {
			t.Errorf("%d calls, though each hears all that counts", calls)
		}
		if beats["a"] != 120 || beats["b"] != 30 {
			t.Errorf("in a minute: %v", beats)
		}
		for s, names := range map[*station]string{voter: "a b c", gateway: "a b c", edge: "a c"} {
			if got := s.names(); got != names {
				t.Errorf("%s sees %q", s.cfg.Node, got)
			}
		}
		edge.stop()
		synctest.Wait()
		if got := voter.called(); got != "touch true, gone c" {
			t.Errorf("after a goodbye, the voter called %q", got)
		}
		gateway.stop()
		voter.stop()
	})
}
