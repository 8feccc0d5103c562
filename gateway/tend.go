package gateway

import "time"

// The times of a connection.
const (
	joinTimeout  = 10 * time.Second // for a handler to claim it
	joinPatience = 3 * time.Second  // the same, while there is none at all
	idleTimeout  = 30 * time.Second // without traffic either way, until it is pinged
	pongTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second       // in which the socket must accept a byte
	closeTimeout = 5 * time.Second        // for the closing handshake, and before that for what is still to be written
	endTimeout   = 500 * time.Millisecond // instead, where the end must not wait
)

// Tend does what the time has come for.
func (c *conn) Tend(now time.Time) (next time.Time) {
	c.expire(now)
	c.ping(c.at(now))
	if c.stage > open && c.at(now) >= c.endBy {
		c.hangUp()
	}
	c.leave(c.at(now))
	return c.due(now)
}

// expire ends what may not last any longer.
func (c *conn) expire(now time.Time) {
	at := c.at(now)
	switch {
	case c.stage > open:
	case now.Unix() >= c.token.ExpiresAt:
		c.finish(now, endExpired)
	case c.drainAt > 0 && at >= c.drainAt:
		c.finish(now, endDrained)
	case c.life.state == joining && at-c.life.joined >= c.life.patience():
		c.finish(now, endNoHandler)
	case c.life.refused && at >= c.life.retryAt:
		c.announce(now)
	case c.life.mayRetry() && at >= c.life.retryAt:
		c.retry(now, joinRetry)
	case c.offered > 0 && at-max(c.offered, c.sent) >= writeTimeout:
		c.finish(now, endDead)
		c.hangUp()
	case c.awaitsPong() && c.silent(at) <= 0:
		c.finish(now, endPingTimeout)
	}
}

// silent is how long the connection may go on without traffic until something is
// done about it.
func (c *conn) silent(now time.Duration) time.Duration {
	if c.awaitsPong() {
		return pongTimeout - (now - c.pinged)
	}
	return c.protocol().idle - (now - max(c.heard, c.sent, c.pinged))
}

// awaitsPong reports whether the client was pinged and nothing came after that. One
// that has nothing to say does not answer.
func (c *conn) awaitsPong() bool { return c.hearing == listening && c.heard < c.pinged }

// ping pings a client of which nothing is heard, and which is told nothing.
func (c *conn) ping(now time.Duration) {
	if c.stage == open && !c.awaitsPong() && c.silent(now) <= 0 {
		c.pinged = now
		c.send(outgoing{frame: c.protocol().ping})
	}
}

// due is when Tend has something to do next.
func (c *conn) due(now time.Time) (next time.Time) {
	at := c.at(now)
	wait := time.Duration(-1) // none
	sooner := func(d time.Duration) {
		if wait < 0 || d < wait {
			wait = max(d, 0)
		}
	}
	if c.stage > open {
		if c.stage < hungUp {
			sooner(c.endBy - at)
		}
		if !c.left {
			sooner(c.life.joined + joinTimeout - at)
		}
	} else {
		sooner(c.silent(at))
		sooner(time.Unix(c.token.ExpiresAt, 0).Sub(now))
		if c.drainAt > 0 {
			sooner(c.drainAt - at)
		}
		if c.offered > 0 {
			sooner(max(c.offered, c.sent) + writeTimeout - at)
		}
		if c.life.state == joining {
			sooner(c.life.joined + c.life.patience() - at)
		}
		if c.life.refused || c.life.mayRetry() {
			sooner(c.life.retryAt - at)
		}
		if until := c.forget(at); until > 0 {
			sooner(until)
		}
	}
	if wait < 0 {
		return time.Time{}
	}
	return now.Add(wait)
}
