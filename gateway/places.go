package gateway

import (
	"fmt"
	"maps"
	"net/netip"
	"sync"

	"tickerd/gateway/bell"
)

// places counts connections by user and by address. Where users are limited, it counts
// theirs on the other nodes too, as far as these have told.
type places struct {
	perUser int // 0: no limit
	perIP   int // 0: no limit

	changed bell.Bell // there is news

	mu    sync.Mutex
	users map[string]int
	addrs map[netip.Addr]int

	// With a limit for users.
	news      map[string]struct{}       // users whose count was not told since it changed
	others    map[string]map[string]int // by what a node tells it at, then user
	elsewhere map[string]int            // the same of all others together
}

func newPlaces(cfg Config) *places {
	return &places{
		perUser:   cfg.MaxConnectionsPerUser,
		perIP:     cfg.MaxConnectionsPerIP,
		changed:   bell.New(),
		users:     map[string]int{},
		addrs:     map[netip.Addr]int{},
		news:      map[string]struct{}{},
		others:    map[string]map[string]int{},
		elsewhere: map[string]int{},
	}
}

// take takes a place, to be given back, unless one of the limits is reached.
func (p *places) take(user string, addr netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.perUser > 0 && p.users[user]+p.elsewhere[user] >= p.perUser || p.perIP > 0 && p.addrs[addr] >= p.perIP {
		return false
	}
	p.users[user]++
	p.addrs[addr]++
	p.note(user)
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
	p.note(user)
}

// note notes that there is news of a user.
func (p *places) note(user string) {
	if p.perUser > 0 {
		p.news[user] = struct{}{}
		p.changed.Ring()
	}
}

// report is what has changed since the last report, or everything, so many users at a
// time: with everything one piece at least.
func (p *places) report(full bool, most int) (pieces []map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := make(map[string]int, len(p.news))
	if full {
		maps.Copy(counts, p.users)
	}
	for user := range p.news {
		counts[user] = p.users[user]
	}
	p.news = map[string]struct{}{}
	piece := map[string]int{}
	for user, n := range counts {
		if len(piece) == most {
			pieces, piece = append(pieces, piece), map[string]int{}
		}
		piece[user] = n
	}
	if len(piece) > 0 || full && pieces == nil {
		pieces = append(pieces, piece)
	}
	return pieces
}

// What other nodes may tell, at most.
const (
	maxNodes     = 10_000
	maxNodeUsers = 1 << 20
	maxPlaces    = 1 << 30 // of one user
)

// learn takes in what a node has told, as a whole or not at all.
func (p *places) learn(node string, told count) error {
	for user, n := range told.Users {
		if n < 0 || n > maxPlaces {
			return fmt.Errorf("%d connections of %.40q", n, user)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if told.Full {
		p.drop(node)
	}
	users, known := p.others[node]
	switch {
	case !known && len(p.others) >= maxNodes:
		return fmt.Errorf("more than %d nodes", maxNodes)
	case len(users)+len(told.Users) > maxNodeUsers:
		return fmt.Errorf("more than %d users", maxNodeUsers)
	case !known:
		users = make(map[string]int, len(told.Users))
	}
	for user, n := range told.Users {
		p.shift(user, n-users[user])
		if n > 0 {
			users[user] = n
		} else {
			delete(users, user)
		}
	}
	if p.others[node] = users; len(users) == 0 {
		delete(p.others, node)
	}
	return nil
}

// shift adds n to what a user has elsewhere.
func (p *places) shift(user string, n int) {
	if p.elsewhere[user] += n; p.elsewhere[user] == 0 {
		delete(p.elsewhere, user)
	}
}

// forget forgets what a node has told.
func (p *places) forget(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(node)
}

func (p *places) drop(node string) {
	for user, n := range p.others[node] {
		p.shift(user, -n)
	}
	delete(p.others, node)
}
