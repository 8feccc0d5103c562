package auth

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

func (s *sharing[T]) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byKey)
}

// A thing is shared as long as somebody has it, and then forgotten.
func TestSharing(t *testing.T) {
	var s sharing[[]string]
	build := func(name string) func() *[]string { return func() *[]string { return &[]string{name} } }
	kept := s.get([]byte("kept"), build("kept"))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 1000 {
				name := strconv.Itoa(i)
				if got := s.get([]byte(name), build(name)); (*got)[0] != name {
					t.Errorf("got %q, want %q", *got, name)
				}
				if got := s.get([]byte("kept"), build("another")); got != kept {
					t.Errorf("got %q, which is not shared", *got)
				}
			}
		})
	}
	all.Wait()
	for end := time.Now().Add(30 * time.Second); s.size() > 1; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d things are known, and only one is held", s.size())
		}
		runtime.GC()
	}
	runtime.KeepAlive(kept)
}

// No two lists of texts have the same key.
func TestKeysDiffer(t *testing.T) {
	key := func(a string, list ...string) []byte { return appendListKey(appendKey(nil, a), list) }
	seen := [][]byte{}
	for _, k := range [][]byte{
		key(""), key("", ""), key("", "", ""), key("a"), key("", "a"), key("a", "b"), key("ab"), key("", "ab"), key("", "a", "b"), key("a", "", "b"),
	} {
		for _, other := range seen {
			if bytes.Equal(k, other) {
				t.Errorf("%q twice", k)
			}
		}
		seen = append(seen, k)
	}
}
