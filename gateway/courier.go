package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"

	"tickerd/bus"
)

// A courier takes to the bus, in order, what connections have to say there, so
// that no loop waits for the bus, nor encodes anything for it. What waits is
// bounded by what each connection may have under way.
type courier struct {
	bus *bus.Conn
	log *slog.Logger

	wake chan struct{} // has an element when there may be letters

	mu      sync.Mutex
	letters []letter
}

// A letter is one message.
type letter struct {
	subject string
	reply   string // where it is answered, if it is
	header  map[string][]string
	data    []byte
	body    any // is encoded as the data
}

func newCourier(b *bus.Conn, log *slog.Logger) *courier {
	return &courier{bus: b, log: log, wake: make(chan struct{}, 1)}
}

// send does not wait.
func (c *courier) send(l letter) {
	c.mu.Lock()
	c.letters = append(c.letters, l)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
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

func (c *courier) publish(l letter) (err error) {
	if l.body != nil {
		if l.data, err = json.Marshal(l.body); err != nil {
			return err
		}
	}
	return c.bus.PublishMsg(&bus.Msg{Subject: l.subject, Reply: l.reply, Header: l.header, Data: l.data})
}
