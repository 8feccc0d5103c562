package cluster

import "sync"

// notices are calls that are to be made, in their order. Who adds one does not wait.
type notices struct {
	added chan struct{} // has room for one: there may be something

	mu    sync.Mutex
	calls []func()
}

func newNotices() *notices { return &notices{added: make(chan struct{}, 1)} }

func (n *notices) add(call func()) {
	n.mu.Lock()
	n.calls = append(n.calls, call)
	n.mu.Unlock()
	select {
	case n.added <- struct{}{}:
	default:
	}
}

// run makes the calls until done is closed, and then those that are left.
func (n *notices) run(done <-chan struct{}) {
	for ended := false; !ended; {
		select {
		case <-n.added:
		case <-done:
			ended = true
		}
		n.mu.Lock()
		calls := n.calls
		n.calls = nil
		n.mu.Unlock()
		for _, call := range calls {
			call()
		}
	}
}
