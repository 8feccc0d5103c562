package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"tickerd/bus"
	"tickerd/gateway/bell"
)

// A census has the limit of connections for a user count on all nodes together: it tells
// the others how many there are on this one, and learns theirs. Where there is no such
// limit it does nothing.
//
// What changed is told at most every censusPause; everything when somebody asks for it
// (bus.NodeRoll), and every censusEvery, in case that something was lost. Between the
// nodes a limit may be passed by who comes to several at once.
type census struct {
	places  *places
	bus     *bus.Conn
	node    string
	log     *slog.Logger
	trouble *rate.Sometimes
	subs    []*bus.Subscription
	wake    bell.Bell // there may be something to tell
	rolled  bell.Bell // somebody asks for everything
}

const (
	censusPause = 100 * time.Millisecond
	censusEvery = 30 * time.Second

	// maxUsers is of how many users one message tells.
	maxUsers = 2000
)

// A count tells how many connections users have on a node: all of them, or those for
// whom it has changed. The rest of what is too much for one message follows as changes.
type count struct {
	Full  bool           `json:"full"`
	Users map[string]int `json:"users"` // "demo": 12; 0: none any more
}

func newCensus(g *Gateway) *census {
	return &census{
		places: g.places, bus: g.bus, node: g.node, log: g.log, trouble: &g.trouble,
		wake: g.places.changed, rolled: bell.New(),
	}
}

func (c *census) isOff() bool { return c.places.perUser == 0 }

func (c *census) open() error {
	if c.isOff() {
		return nil
	}
	for subject, take := range map[string]func(*bus.Msg){
		bus.NodesUsers: c.take,
		bus.NodeRoll:   func(*bus.Msg) { c.rolled.Ring() },
	} {
		sub, err := c.bus.Subscribe(subject, take)
		if err != nil {
			return err
		}
		c.subs = append(c.subs, sub)
	}
	return nil
}

func (c *census) close() {
	for _, s := range c.subs {
		_ = s.Unsubscribe() // fails only where the bus is gone already
	}
}

// run tells the others until ctx ends, and then what is left to be told.
func (c *census) run(ctx context.Context) {
	if c.isOff() {
		return
	}
	c.ask()
	everything := time.NewTicker(censusEvery)
	defer everything.Stop()
	full := true // who had our name before us is no more
	for ctx.Err() == nil {
		c.tell(full)
		full = false
		select {
		case <-ctx.Done():
		case <-time.After(censusPause):
		}
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-c.rolled:
			full = true
		case <-everything.C:
			full = true
		}
	}
	c.tell(full)
}

// ask has every node tell everything.
func (c *census) ask() {
	if c.isOff() {
		return
	}
	if err := c.bus.Publish(bus.NodeRoll, nil); err != nil {
		c.complain(err)
	}
}

// tell tells what has changed since it was told last, or everything.
func (c *census) tell(full bool) {
	for _, users := range c.places.report(full, maxUsers) {
		if err := c.bus.PublishJSON(bus.UsersOf(c.node), count{full, users}); err != nil {
			c.complain(err)
		}
		full = false
	}
}

// take takes in what a node tells.
func (c *census) take(m *bus.Msg) {
	if m.Subject == bus.UsersOf(c.node) {
		return
	}
	var told count
	err := json.Unmarshal(m.Data, &told)
	if err == nil {
		err = c.places.learn(m.Subject, told)
	}
	if err != nil {
		c.complain(fmt.Errorf("%s: %w", m.Subject, err))
	}
}

// forget counts the connections of a node no more.
func (c *census) forget(node string) { c.places.forget(bus.UsersOf(node)) }

func (c *census) complain(err error) {
	c.trouble.Do(func() { c.log.Warn("connections of users on other nodes", "err", err) })
}
