package handler

import (
	"strconv"
	"sync"
	"testing"

	"tickerd/bus"
)

// What the bus delivers is taken in its order, and all of it, however slow the
// taker is.
func TestInbox(t *testing.T) {
	b := newInbox()
	done := make(chan struct{})
	var pump sync.WaitGroup
	pump.Go(func() { b.pump(done) })
	const messages = 5 * inboxRoom
	pump.Go(func() {
		for i := range messages {
			b.ch <- &bus.Msg{Subject: strconv.Itoa(i)}
		}
	})
	next := 0
	var batch []*bus.Msg
	for next < messages {
		<-b.wake
		batch = b.take(batch)
		for _, m := range batch {
			if m.Subject != strconv.Itoa(next) {
				t.Fatalf("got %s, want %d", m.Subject, next)
			}
			next++
		}
	}
	close(done)
	pump.Wait()
}

// A burst's memory is given back.
func TestInboxForgetsBurst(t *testing.T) {
	b := newInbox()
	for range inboxSpare + 1 {
		b.put(new(bus.Msg))
	}
	burst := b.take(nil)
	if len(burst) != inboxSpare+1 {
		t.Fatalf("took %d", len(burst))
	}
	b.take(burst)
	if cap(b.queue) != 0 {
		t.Errorf("room for %d is kept", cap(b.queue))
	}
	if burst[0] != nil {
		t.Error("what was taken is still held")
	}
	b.put(new(bus.Msg))
	small := b.take(nil)
	b.take(small)
	if cap(b.queue) == 0 {
		t.Error("the room of a short queue is not used again")
	}
}
