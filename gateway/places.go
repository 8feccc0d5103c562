package gateway

import (
	"net/netip"
	"sync"
)

// places counts connections by user and by address.
type places struct {
	perUser int // 0: no limit
	perIP   int // 0: no limit

	mu    sync.Mutex
	users map[string]int
	addrs map[netip.Addr]int
}

func newPlaces(cfg Config) *places {
	return &places{
		perUser: cfg.MaxConnectionsPerUser,
		perIP:   cfg.MaxConnectionsPerIP,
		users:   map[string]int{},
		addrs:   map[netip.Addr]int{},
	}
}

// take takes a place, to be given back, unless one of the limits is reached.
func (p *places) take(user string, addr netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.perUser > 0 && p.users[user] >= p.perUser || p.perIP > 0 && p.addrs[addr] >= p.perIP {
		return false
	}
	p.users[user]++
	p.addrs[addr]++
	return true
}

// give gives a place back.
func (p *places) give(user string, addr netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users[user]--; p.users[user] == 0 {
		delete(p.users, user)
	}
	if p.addrs[addr]--; p.addrs[addr] == 0 {
		delete(p.addrs, addr)
	}
}
