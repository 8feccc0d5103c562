package cluster

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// inTime runs f in a time of its own, with three voters that are in touch.
func inTime(t *testing.T, f func(t *testing.T, a *air, nodes []*station)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := &air{t: t}
		nodes := []*station{a.voter("a", 3), a.voter("b", 3), a.voter("c", 3)}
		defer func() {
			for _, s := range nodes {
				s.stop()
			}
		}()
		pass(time.Second)
		for _, s := range nodes {
			if !s.InTouch() || s.called() != "touch true" {
				t.Fatalf("%s is not in touch", s.cfg.Node)
			}
		}
		f(t, a, nodes)
	})
}

// pass lets time pass, and then all that is due happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{t: t}
		first := a.voter("a", 3)
		defer first.stop()
		pass(time.Minute)
		if err := first.Ready(t.Context()); first.InTouch() || !errors.Is(err, ErrCutOff) || err.Error() != "cluster unreachable: 1 of 3 nodes heard" {
			t.Errorf("one of three: %v", err)
		}
		edge := a.start(Config{Node: "edge", Voters: func() int { return 0 }}, Node{State: Ready})
		defer edge.stop()
		pass(time.Minute)
		if err := edge.Ready(t.Context()); edge.InTouch() || err == nil || err.Error() != "cluster unreachable: 1 of 3 nodes heard" {
			t.Errorf("without a say, beside one of three: %v", err)
		}
		second := a.voter("b", 0) // it does not know yet
		defer second.stop()
		pass(time.Second)
		for _, s := range []*station{first, second, edge} {
			if err := s.Ready(t.Context()); !s.InTouch() || err != nil {
				t.Errorf("%s, two of three: %v", s.cfg.Node, err)
			}
			if got := s.called(); got != "touch true" {
				t.Errorf("%s: called %q", s.cfg.Node, got)
			}
		}
	})
}

func TestNobodyKnowsTheVoters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{t: t}
		for _, name := range []string{"a", "b"} {
			defer a.voter(name, 0).stop()
		}
		edge := a.start(Config{Node: "edge"}, Node{State: Ready})
		defer edge.stop()
		pass(time.Minute)
		if err := edge.Ready(t.Context()); err == nil || err.Error() != "cluster unreachable: 2 of an unknown number of nodes heard" {
			t.Errorf("got %v", err)
		}
	})
}

func TestCutOffAndBack(t *testing.T) {
	inTime(t, func(t *testing.T, a *air, nodes []*station) {
		cut := nodes[0]
		a.lose(off("a"))
		pass(4 * time.Second)
		if !cut.InTouch() || cut.called() != "" {
			t.Error("cut off too soon")
		}
		pass(time.Second)
		if cut.InTouch() {
			t.Error("in touch with nobody")
		}
		pass(beatEvery)
		if got := cut.called(); got != "touch false" {
			t.Errorf("called %q", got)
		}
		if state := cut.Nodes()[0].State; state != CutOff {
			t.Errorf("says that it is %q", state)
		}
		for _, s := range nodes[1:] {
			if !s.InTouch() {
				t.Errorf("%s hears two of three and is not in touch", s.cfg.Node)
			}
		}
		a.lose(nothing)
		pass(2 * beatEvery)
		if !cut.InTouch() || cut.called() != "touch true" {
			t.Error("not in touch again")
		}
		if state := cut.Nodes()[0].State; state != Ready {
			t.Errorf("says that it is %q", state)
		}
	})
}

// Whom this node hears must hear it too: an answer shows both.
func TestHeardButNotHearing(t *testing.T) {
	inTime(t, func(t *testing.T, a *air, nodes []*station) {
		mute := func(from, to string) bool { return from == "a" && to != "a" }
		a.lose(off("a"))
		pass(time.Minute)
		a.lose(mute)
		pass(time.Minute)
		if nodes[0].InTouch() {
			t.Error("in touch with whom it cannot reach")
		}
		if got := nodes[0].names(); got != "a b c" {
			t.Errorf("sees %q", got)
		}
	})
}

// What waits for a process that was stopped tells of a time that is past.
func TestStoppedAndCutOff(t *testing.T) {
	inTime(t, func(t *testing.T, a *air, nodes []*station) {
		stopped := nodes[0]
		wake := stopped.freeze()
		pass(time.Minute)
		if stopped.InTouch() {
			t.Error("in touch though it has heard nothing for a minute")
		}
		if len(stopped.in) < 100 {
			t.Fatalf("only %d messages wait", len(stopped.in))
		}
		a.lose(off("a"))
		wake()
		synctest.Wait()
		for range 90 {
			if stopped.InTouch() {
				t.Fatal("in touch by what was said before")
			}
			pass(beatEvery / 5)
		}
		if got := stopped.called(); got != "touch false" {
			t.Errorf("called %q", got)
		}
		pass(2 * time.Second)
		if got := stopped.called(); got != "gone b, gone c" && got != "gone c, gone b" {
			t.Errorf("called %q", got)
		}
	})
}

func TestStoppedAndBack(t *testing.T) {
	inTime(t, func(t *testing.T, _ *air, nodes []*station) {
		stopped := nodes[0]
		wake := stopped.freeze()
		pass(time.Minute)
		for _, s := range nodes[1:] {
			if got := s.called(); got != "gone a" {
				t.Errorf("%s: called %q", s.cfg.Node, got)
			}
		}
		wake()
		pass(2 * beatEvery)
		if got := stopped.called(); !stopped.InTouch() || got != "touch false, touch true" {
			t.Errorf("called %q", got)
		}
		pass(time.Minute)
		for _, s := range nodes {
			if got := s.called(); got != "" || s.names() != "a b c" {
				t.Errorf("%s: called %q, sees %q", s.cfg.Node, got, s.names())
			}
		}
	})
}

func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if c := New(Config{Node: "a", Alone: true}); !c.InTouch() {
			t.Error("cut off before it began")
		}
		a := &air{t: t}
		s := a.start(Config{Node: "a", Alone: true, Voters: func() int { return 1 }}, Node{State: Ready})
		defer s.stop()
		synctest.Wait()
		if got := s.called(); !s.InTouch() || got != "touch true" {
			t.Errorf("at first: called %q", got)
		}
		pass(time.Minute)
		if got := s.called(); !s.InTouch() || got != "" {
			t.Errorf("after a minute: called %q", got)
		}
		a.lose(everything)
		pass(6 * time.Second)
		if got := s.called(); s.InTouch() || got != "touch false" {
			t.Errorf("without the bus: called %q", got)
		}
		if err := s.Ready(t.Context()); err == nil || err.Error() != "cluster unreachable: the bus does not answer" {
			t.Errorf("without the bus: %v", err)
		}
		pass(time.Minute)
		if got := s.called(); got != "" || s.names() != "a" {
			t.Errorf("called %q, sees %q", got, s.names())
		}
		a.lose(nothing)
		pass(2 * beatEvery)
		if got := s.called(); !s.InTouch() || got != "touch true" {
			t.Errorf("with the bus again: called %q", got)
		}
	})
}
