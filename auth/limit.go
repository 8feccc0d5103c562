package auth

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	// generation is how many addresses, and turnover how long a time, the Limiter's
	// memory spans; it holds two generations.
	generation = 1 << 16
	turnover   = 2 * time.Minute
	// v6Bits is what one IPv6 client is known by: the rest it chooses itself.
	v6Bits = 64
)

// Limiter bounds what one client address may do at /auth/token: so many failures
// a minute, and so many tokens. An unused budget is a burst at once; what is
// spent comes back evenly. An address without budget is refused even with a good
// key. An IPv6 client is known by its /64.
//
// It counts exactly, however many attempts come at once: an attempt is let in
// only if its failure would be within the budget though all that are under way
// fail too, and otherwise waits until one of those has ended. Rate limiters that
// decide at once (golang.org/x/time/rate) would either try too many keys or turn
// away good ones.
//
// It remembers the last 65,536 addresses at least, and no more than twice as
// many. A flood from more than that pushes out who has been quiet for longest;
// who is limited and tries on is not quiet.
type Limiter struct {
	failures, tokens int // a minute; 0: no limit
	clock            func() time.Time
	start            time.Time

	mu         sync.Mutex
	young, old map[netip.Addr]*meter
	turnAt     time.Duration // since start
}

// meter is what one address has spent.
type meter struct {
	failed, issued budget
	underWay       int
	waiting        []chan verdict // in the order of their coming
}

// budget is the time, since the limiter's start, at which all is given back.
type budget time.Duration

// left is how many of the limit are left, or else how long until one is.
func (b budget) left(now time.Duration, limit int) (n int, wait time.Duration) {
	each := time.Minute / time.Duration(limit)
	span := each * time.Duration(limit)
	owed := max(0, time.Duration(b)-now)
	return int((span - owed) / each), owed - span + each
}

func (b *budget) spend(now time.Duration, limit int) {
	if limit > 0 {
		*b = max(*b, budget(now)) + budget(time.Minute/time.Duration(limit))
	}
}

// verdict is what becomes of an attempt.
type verdict struct {
	ok   bool
	wait time.Duration // of a refused one
}

// NewLimiter takes what an address may do in a minute; 0 is no limit.
func NewLimiter(failures, tokens int) *Limiter {
	return &Limiter{
		failures: failures, tokens: tokens,
		clock: time.Now, start: time.Now(),
		young: make(map[netip.Addr]*meter), turnAt: turnover,
	}
}

// Attempt is one that was let in. It must be ended, by one of its methods; the
// first call counts, so that `defer a.Abandoned()` is safe.
type Attempt struct {
	limiter *Limiter
	meter   *meter
	ended   bool
}

// Begin asks whether a client may try a key. It may wait for the outcome of other
// attempts from the same address, at most until ctx ends. If the answer is no,
// wait says how long until it may be yes: whole seconds, at least one.
func (l *Limiter) Begin(ctx context.Context, ip netip.Addr) (a *Attempt, wait time.Duration, ok bool) {
	l.mu.Lock()
	now := l.now()
	m := l.meter(client(ip), now)
	if len(m.waiting) == 0 {
		if v, decided := l.judge(m, now); decided {
			l.mu.Unlock()
			return l.result(m, v)
		}
	}
	turn := make(chan verdict, 1)
	m.waiting = append(m.waiting, turn)
	l.mu.Unlock()

	select {
	case v := <-turn:
		return l.result(m, v)
	case <-ctx.Done():
		l.leave(m, turn)
		return nil, time.Second, false
	}
}

func (l *Limiter) result(m *meter, v verdict) (*Attempt, time.Duration, bool) {
	if !v.ok {
		return nil, v.wait, false
	}
	return &Attempt{limiter: l, meter: m}, 0, true
}

// Failed ends the attempt: the key was wrong.
func (a *Attempt) Failed() { a.end(a.limiter.failures, &a.meter.failed) }

// Succeeded ends the attempt: a token was issued.
func (a *Attempt) Succeeded() { a.end(a.limiter.tokens, &a.meter.issued) }

// Abandoned ends the attempt: nothing was found out.
func (a *Attempt) Abandoned() { a.end(0, nil) }

// end spends one of limit, and lets in or refuses who waited for it.
func (a *Attempt) end(limit int, spent *budget) {
	l, m := a.limiter, a.meter
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.ended {
		return
	}
	a.ended = true
	m.underWay--
	now := l.now()
	if spent != nil {
		spent.spend(now, limit)
	}
	l.advance(m, now)
}

// advance decides for those who wait, in order, as far as that is possible; the
// caller holds mu.
func (l *Limiter) advance(m *meter, now time.Duration) {
	for len(m.waiting) > 0 {
		v, decided := l.judge(m, now)
		if !decided {
			return
		}
		m.waiting[0] <- v
		m.waiting = m.waiting[1:]
	}
	m.waiting = nil
}

// leave takes back a wait that its client has given up, or the place that it got
// at the same moment.
func (l *Limiter) leave(m *meter, turn chan verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range m.waiting {
		if other == turn {
			m.waiting = append(m.waiting[:i:i], m.waiting[i+1:]...)
			return
		}
	}
	if v := <-turn; v.ok {
		m.underWay--
		l.advance(m, l.now())
	}
}

// judge lets an attempt in, or refuses it, or is undecided as long as that depends
// on those under way; the caller holds mu.
func (l *Limiter) judge(m *meter, now time.Duration) (v verdict, decided bool) {
	free := m.underWay + 1
	var wait time.Duration
	for _, b := range []struct {
		budget
		limit int
	}{{m.failed, l.failures}, {m.issued, l.tokens}} {
		if b.limit == 0 {
			continue
		}
		left, until := b.left(now, b.limit)
		if left < 1 {
			wait = max(wait, until)
		}
		free = min(free, left)
	}
	switch {
	case wait > 0:
		seconds := (wait + time.Second - 1) / time.Second
		return verdict{wait: seconds * time.Second}, true
	case free <= m.underWay:
		return verdict{}, false
	}
	m.underWay++
	return verdict{ok: true}, true
}

// meter finds or makes the meter of an address; the caller holds mu.
func (l *Limiter) meter(ip netip.Addr, now time.Duration) *meter {
	if now >= l.turnAt || len(l.young) >= generation {
		// What was not asked for since the turn before is forgotten. If that is two
		// minutes ago, all of it was given back.
		l.old, l.young = l.young, make(map[netip.Addr]*meter)
		l.turnAt = now + turnover
	}
	m := l.young[ip]
	if m == nil {
		if m = l.old[ip]; m == nil {
			m = new(meter)
		}
		l.young[ip] = m
	}
	return m
}

func (l *Limiter) now() time.Duration { return l.clock().Sub(l.start) }

// client is what an address is known by.
func client(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if net, err := ip.Prefix(v6Bits); err == nil {
			return net.Addr()
		}
	}
	return ip
}
