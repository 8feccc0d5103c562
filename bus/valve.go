package bus

import (
	"math"
	"slices"
	"sync"
)

// smallestMessage is the length of the shortest there can be: "MSG a 1 0\r\n\r\n".
const smallestMessage = 13

// A valve lets a connection read only what its inboxes have room for.
type valve struct {
	mu      sync.Mutex
	moved   sync.Cond // with mu: something has come, was taken, or has ended
	inboxes []*Inbox
}

func newValve() *valve {
	v := new(valve)
	v.moved.L = &v.mu
	return v
}

// flow is how many bytes may be read now so that no inbox can overflow, whatever
// they are: none while one is more than half full. The caller holds mu.
func (v *valve) flow() int {
	least := math.MaxInt
	for _, b := range v.inboxes {
		free := cap(b.ch) - len(b.ch)
		if free < cap(b.ch)/2 {
			return 0
		}
		least = min(least, (free-1)*smallestMessage) // one may have begun already
	}
	return least
}

func (v *valve) add(b *Inbox) {
	v.mu.Lock()
	v.inboxes = append(v.inboxes, b)
	v.mu.Unlock()
}

func (v *valve) remove(b *Inbox) {
	v.mu.Lock()
	v.inboxes = slices.DeleteFunc(v.inboxes, func(other *Inbox) bool { return other == b })
	v.mu.Unlock()
	v.moved.Broadcast()
}

// taken takes note that a message was taken from b. Who waits, waits until b is
// half full; and since nothing is added meanwhile, it comes by that point.
func (v *valve) taken(b *Inbox) {
	if len(b.ch) == cap(b.ch)/2 {
		v.mu.Lock()
		v.moved.Broadcast()
		v.mu.Unlock()
	}
}
