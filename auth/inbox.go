package auth

import (
	"sync"

	"tickerd/bus"
)

// inbox carries revocations from a callback of the bus, which must not block, to
// the goroutine that acts on them.
type inbox struct {
	wake chan struct{} // has one element while there may be something to take

	mu   sync.Mutex
	list []bus.Revocation
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (b *inbox) put(revs ...bus.Revocation) {
	b.mu.Lock()
	b.list = append(b.list, revs...)
	b.mu.Unlock()
	b.poke()
}

// poke wakes the goroutine whether there is something or not.
func (b *inbox) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *inbox) take() []bus.Revocation {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.list
	b.list = nil
	return list
}
