package handler

import (
	"sync"

	"tickerd/bus"
)

// An inbox is the queue between the bus and a worker, without limit: no message
// may be lost, not when 20,000 clients send forty each at the same moment, and the
// bus cannot wait for a worker. What it finds ch full for it drops; so pump does
// nothing but empty ch.
type inbox struct {
	ch   chan *bus.Msg
	wake chan struct{} // has an element while there may be something to take

	mu    sync.Mutex
	queue []*bus.Msg
}

const (
	// inboxRoom is how much may come while pump waits for a processor: four times
	// what was seen, with a single one, when 400,000 messages came at once.
	inboxRoom = 1 << 16

	// inboxSpare is the longest queue whose memory is kept for the next.
	inboxSpare = 1 << 12
)

func newInbox() *inbox {
	return &inbox{ch: make(chan *bus.Msg, inboxRoom), wake: make(chan struct{}, 1)}
}

// pump moves what the bus delivers into the queue until done is closed.
func (b *inbox) pump(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case m := <-b.ch:
			b.put(m)
		}
	}
}

// put queues m and all that came behind it.
func (b *inbox) put(m *bus.Msg) {
	b.mu.Lock()
	b.queue = append(b.queue, m)
	for range len(b.ch) {
		b.queue = append(b.queue, <-b.ch)
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take gives what has come, in order. The queue goes on in the memory of done, a
// list that was taken before.
func (b *inbox) take(done []*bus.Msg) []*bus.Msg {
	clear(done)
	if cap(done) > inboxSpare {
		done = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.queue
	b.queue = done[:0]
	return taken
}
