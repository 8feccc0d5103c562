package gateway

import (
	"context"
	"log/slog"
	"sync"

	"tickerd/bus"
	"tickerd/gateway/bell"
)

// A courier takes to the bus, in order, what connections have to say there, so
// that no loop waits for the bus, nor encodes anything for it. What waits is
// bounded by what each connection may have under way.
type courier struct {
	bus *bus.Conn
	log *slog.Logger

	wake bell.Bell // there may be letters

	mu      sync.Mutex
	letters []letter
}

// A letter is one message: a header alone, or a body, or what a client said.
type letter struct {
	subject string
	reply   string // where it is answered, if it is
	header  map[string][]string
	body    any // is encoded as JSON
	data    []byte
}

func newCourier(b *bus.Conn, log *slog.Logger) *courier {
	return &courier{bus: b, log: log, wake: bell.New()}
}

// send does not wait.
func (c *courier) send(l letter) {
	c.mu.Lock()
	c.letters = append(c.letters, l)
	c.mu.Unlock()
	c.wake.Ring()
}

// Run delivers until ctx ends, and then what is left.
func (c *courier) Run(ctx context.Context) {
	for {
		select {
		case <-c.wake:
			c.deliver()
		case <-ctx.Done():
			c.deliver()
			return
		}
	}
}

func (c *courier) deliver() {
	c.mu.Lock()
	letters := c.letters
	c.letters = nil
	c.mu.Unlock()
	for _, l := range letters {
		if err := c.publish(l); err != nil {
			c.log.Error("publish", "subject", l.subject, "err", err)
		}
	}
}

func (c *courier) publish(l letter) error {
	switch {
	case l.header != nil:
		return c.bus.PublishMsg(&bus.Msg{Subject: l.subject, Header: l.header})
	case l.reply == "":
		return c.bus.PublishJSON(l.subject, l.body)
	case l.body != nil:
		return c.bus.AskJSON(l.subject, l.reply, l.body)
	default:
		return c.bus.Ask(l.subject, l.reply, l.data)
	}
}
