package exchange

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// healthyAfter is how long a connection lasts for its end to be an accident,
// after which the backoff starts anew. A shorter one counts as a failed attempt.
const healthyAfter = time.Minute

// A line keeps one connection up for as long as markets are wanted on it. While that
// is being replaced, there are two.
type line struct {
	client *Client

	// Guarded by client.mu.
	names []string // of the markets that are wanted on it
	conns []*Conn  // that are up, the oldest first
}

// keep connects and reconnects until ctx ends, and returns when all connections have
// ended.
func (l *line) keep(ctx context.Context) {
	var conns sync.WaitGroup
	defer conns.Wait()
	delay := backoff{first: l.client.terms.Retry}
	for l.awaitWanted(ctx) && l.client.awaitDial(ctx) {
		lasted, err := l.connect(ctx, &conns)
		if ctx.Err() != nil {
			return
		}
		if lasted >= healthyAfter {
			delay.reset()
		}
		if !sleep(ctx, l.pause(lasted, err, &delay)) {
			return
		}
	}
}

// awaitWanted waits until markets are wanted on the line. It reports whether ctx goes
// on.
func (l *line) awaitWanted(ctx context.Context) bool {
	for {
		changed := l.client.changes()
		if l.client.isWanted(l) {
			return ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// connect makes one connection and stays with it until it has ended, or should be
// replaced: that is a retirement, and it works on.
func (l *line) connect(ctx context.Context, conns *sync.WaitGroup) (lasted time.Duration, err error) {
	l.client.counters.attempts.Add(1)
	socket, err := l.client.dial(ctx)
	if err != nil {
		return 0, err
	}
	l.client.counters.connects.Add(1)
	l.client.log.Info("exchange is connected", "url", l.client.url)
	start := time.Now()
	c := newConn(l, socket)
	conns.Go(func() { c.run(ctx) })
	err = <-c.over
	return time.Since(start), err
}

// pause is how long to wait before the next connection is made, because of what became
// of the last. What is planned is no failure.
func (l *line) pause(lasted time.Duration, err error, delay *backoff) time.Duration {
	if reason, planned := errors.AsType[retirement](err); planned {
		l.client.log.Info("exchange connection is to be replaced", "reason", reason)
		return 0
	}
	if errors.Is(err, errIdle) {
		return 0
	}
	wait := delay.next()
	if refusal, ok := errors.AsType[*StatusError](err); ok && refusal.RetryAfter > 0 {
		wait += refusal.RetryAfter
		l.client.ban.impose(refusal.Status, wait, time.Now())
	}
	l.client.log.Warn("exchange connection failed", "err", err, "lasted", lasted.Round(time.Millisecond), "retry_in", wait.Round(time.Millisecond))
	return wait
}

// up adds a connection. The caller holds client.mu.
func (l *line) up(c *Conn) {
	l.conns = append(l.conns, c)
	for _, name := range l.names {
		l.client.markets[name].reconnected()
	}
}

// down removes a connection. The caller holds client.mu.
func (l *line) down(c *Conn) {
	l.conns = slices.DeleteFunc(l.conns, func(other *Conn) bool { return other == c })
}

// relieve ends the connections that are older than c. The caller holds client.mu.
func (l *line) relieve(c *Conn) {
	for _, older := range l.conns[:slices.Index(l.conns, c)] {
		older.cancel(errReplaced)
	}
}

// sleep reports whether ctx goes on after it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return ctx.Err() == nil
}
