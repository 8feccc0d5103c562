package cluster

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"tickerd/bus"
)

// An air is what nodes hear one another by, in the time of a test. It loses what it is
// told to lose.
type air struct {
	t *testing.T

	mu       sync.Mutex
	stations []*station
	lost     func(from, to string) bool
	calls    int // of voters, so far
}

// A station is a node's cluster on the air.
type station struct {
	*Cluster
	in   chan *bus.Msg
	log  *journal
	stop func() // with a goodbye

	mu     sync.Mutex
	said   Node
	hold   chan struct{} // while it is open, the node makes no step
	events []string      // what was called
}

// lose has the air lose what goes from one node to another, where f says so.
func (a *air) lose(f func(from, to string) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost = f
}

// Cuts, for lose.
func nothing(_, _ string) bool    { return false }
func everything(_, _ string) bool { return true }

// off cuts a node off from all others.
func off(name string) func(from, to string) bool {
	return func(from, to string) bool { return from != to && (from == name || to == name) }
}

// start has a node live.
func (a *air) start(cfg Config, said Node) *station {
	s := &station{in: make(chan *bus.Msg, inboxRoom), said: said, log: &journal{}}
	cfg.Log = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Report = s.report
	s.Cluster = New(cfg)
	s.Gone(func(node string) { s.note("gone " + node) })
	s.Touch(func(in bool) { s.note(fmt.Sprintf("touch %t", in)) })
	ctx, cancel := context.WithCancel(a.t.Context())
	ended := make(chan struct{})
	s.stop = func() {
		cancel()
		<-ended
		a.mu.Lock()
		defer a.mu.Unlock()
		for i, other := range a.stations {
			if other == s {
				a.stations = append(a.stations[:i:i], a.stations[i+1:]...)
				return
			}
		}
	}
	a.mu.Lock()
	a.stations = append(a.stations, s)
	a.mu.Unlock()
	go func() {
		defer close(ended)
		s.run(ctx, s.in, func(m *bus.Msg) error { a.carry(cfg.Node, m); return nil })
	}()
	return s
}

// voter is start for one of n voters.
func (a *air) voter(name string, n int) *station {
	return a.start(Config{Node: name, Voters: func() int { return n }}, Node{State: Ready, Voter: true})
}

// called is how often voters were called so far.
func (a *air) called() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

// carry brings a message to all that listen.
func (a *air) carry(from string, m *bus.Msg) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.Subject == bus.NodeCall {
		a.calls++
	}
	for _, s := range a.stations {
		if !s.listens(m.Subject) || a.lost != nil && a.lost(from, s.cfg.Node) {
			continue
		}
		select {
		case s.in <- m:
		default:
		}
	}
}

func (s *station) listens(subject string) bool {
	return strings.HasPrefix(subject, "node.") && (strings.HasSuffix(subject, ".alive") || strings.HasSuffix(subject, ".edge") && !s.cfg.VotersOnly) ||
		subject == bus.NodeRoll || subject == bus.NodeCall || strings.HasPrefix(subject, bus.CalledOf(s.runID, ""))
}

func (s *station) report() Node {
	s.mu.Lock()
	said, hold := s.said, s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return said
}

// say replaces what the node says of itself.
func (s *station) say(n Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = n
}

// freeze stops the node as SIGSTOP does, until the answer is called.
func (s *station) freeze() (wake func()) {
	hold := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = hold
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hold = nil
		close(hold)
	}
}

func (s *station) note(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event)
}

// called is what was called since it was last asked for.
func (s *station) called() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := strings.Join(s.events, ", ")
	s.events = nil
	return events
}

// names are the nodes that it sees.
func (s *station) names() string {
	var names []string
	for _, n := range s.Nodes() {
		names = append(names, n.Node.Node)
	}
	return strings.Join(names, " ")
}

// A journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// count is how many lines contain all of the parts.
func (j *journal) count(parts ...string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
lines:
	for line := range strings.Lines(j.text.String()) {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue lines
			}
		}
		n++
	}
	return n
}
