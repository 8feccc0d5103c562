package auth

import (
	"encoding/binary"
	"runtime"
	"sync"
	"weak"
)

// A sharing lets those who have equal things have the same one, for as long as
// somebody has it. What is shared is never changed. It is safe for concurrent use;
// the zero value is ready.
type sharing[T any] struct {
	mu    sync.Mutex
	byKey map[string]weak.Pointer[T]
}

// get is the thing of that key, built if nobody has it.
func (s *sharing[T]) get(key []byte, build func() *T) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if thing := s.byKey[string(key)].Value(); thing != nil {
		return thing
	}
	thing, name := build(), string(key)
	if s.byKey == nil {
		s.byKey = map[string]weak.Pointer[T]{}
	}
	s.byKey[name] = weak.Make(thing)
	runtime.AddCleanup(thing, s.forget, name)
	return thing
}

// forget removes a thing that nobody has any more, unless it was made anew since.
func (s *sharing[T]) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey[key].Value() == nil {
		delete(s.byKey, key)
	}
}

// appendKey adds texts to a key, such that no other texts give the same one.
func appendKey(key []byte, texts ...string) []byte {
	for _, text := range texts {
		key = binary.BigEndian.AppendUint32(key, uint32(len(text)))
		key = append(key, text...)
	}
	return key
}

// appendListKey adds a list to a key.
func appendListKey(key []byte, list []string) []byte {
	return appendKey(binary.BigEndian.AppendUint32(key, uint32(len(list))), list...)
}
