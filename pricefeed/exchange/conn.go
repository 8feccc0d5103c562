package exchange

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// answerTime is how long an exchange may take to do what it is asked.
	answerTime = 2 * time.Second

	// askAgainEvery is when an exchange is asked once more for what it has refused:
	// markets open, and maintenance ends.
	askAgainEvery = 10 * time.Minute
)

// Conn is one connection to an exchange, to which a Protocol tells what its messages
// say. Its methods are for Handle only.
type Conn struct {
	client *Client
	line   *line
	socket *socket
	cancel context.CancelCauseFunc // of all that it does

	settled atomic.Bool // it can take the place of those before it
	over    chan error  // why another is to be made: it is a retirement, or has ended

	// Guarded by client.mu.
	asked    map[string]int // in which request, by name
	requests int            // to subscribe, so far
}

func newConn(l *line, s *socket) *Conn {
	return &Conn{
		client: l.client,
		line:   l,
		socket: s,
		over:   make(chan error, 1),
		asked:  make(map[string]int),
	}
}

// run works until the connection is of no use any more, or ctx ends.
func (c *Conn) run(ctx context.Context) {
	ctx, c.cancel = context.WithCancelCause(ctx)
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.socket.interrupt()
		close(interrupted)
	})
	c.client.up(c)
	var speaking sync.WaitGroup
	speaking.Go(func() { c.cancel(c.speak(ctx)) })
	c.cancel(c.listen(ctx))
	speaking.Wait()
	c.client.down(c)
	if !stop() {
		<-interrupted
	}
	err := context.Cause(ctx)
	c.socket.close(err)
	c.finish(err)
}

// finish tells why another connection is to be made. The first word counts: what ends
// after it was to be replaced ends as planned.
func (c *Conn) finish(why error) {
	select {
	case c.over <- why:
	default:
	}
}

// listen hands on the messages. With the first that it hears when it has settled, it
// takes the place of the connections before it.
func (c *Conn) listen(ctx context.Context) error {
	alone := false
	for {
		msg, err := c.socket.read(ctx)
		if err != nil {
			return err
		}
		if err := c.client.handle(c, msg); err != nil {
			return err
		}
		if !alone && c.settled.Load() {
			c.client.relieve(c)
			alone = true
		}
	}
}

// speak asks for what is wanted, whenever that has changed, and keeps the connection
// alive for as long as it may live.
func (c *Conn) speak(ctx context.Context) error {
	terms := c.client.terms
	pings, lifetimes, again := every(terms.PingEvery), every(lessJitter(terms.Lifetime)), every(askAgainEvery)
	var answered <-chan time.Time
	for {
		changed := c.client.changes()
		if err := c.ask(ctx); err != nil {
			return err
		}
		if answered == nil {
			answered = time.After(answerTime)
		}
		select {
		case <-changed:
		case <-again:
			c.forgetRefused()
		case <-answered:
			c.settled.Store(true)
		case <-pings:
			if err := c.socket.write(ctx, []byte(terms.Ping)); err != nil {
				return fmt.Errorf("ping: %w", err)
			}
		case <-lifetimes:
			c.Retire("its time is up")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// every is time.Tick, which for 0 never comes.
func every(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.Tick(d)
}

// lessJitter is d or up to a tenth less: connections that were made together are not
// replaced together.
func lessJitter(d time.Duration) time.Duration { return d - rand.N(d/10+1) }
