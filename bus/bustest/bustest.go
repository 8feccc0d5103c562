// Package bustest gives a test a real bus: the embedded server without a port,
// with its store in a temporary directory, ended with the test.
package bustest

import (
	"log/slog"
	"testing"

	"tickerd/bus"
)

// Node is the name of the test's node.
const Node = "test"

// New starts a bus.
func New(t testing.TB) *bus.Server {
	t.Helper()
	s, err := bus.Start(t.Context(), bus.Config{Node: Node}, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Connect is a part's connection to s.
func Connect(t testing.TB, s *bus.Server, name string) *bus.Conn {
	t.Helper()
	c, err := s.Connect(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
