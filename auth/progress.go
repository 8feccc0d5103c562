package auth

import "sync"

// progress is a number that others wait for to grow.
type progress struct {
	mu    sync.Mutex
	n     uint64
	grown chan struct{} // closed when n changes
}

func (p *progress) set(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n != p.n {
		p.n = n
		close(p.grown)
		p.grown = make(chan struct{})
	}
}

func (p *progress) at() uint64 {
	n, _ := p.watch()
	return n
}

// watch gives the number, and what is closed when it is another.
func (p *progress) watch() (n uint64, grown <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n, p.grown
}
