package exchange

import (
	"context"
	"fmt"
	"slices"
)

// ask sends requests until what has been asked for is what is wanted.
func (c *Conn) ask(ctx context.Context) error {
	for {
		request, err := c.next()
		if err != nil || request == nil {
			return err
		}
		if err := c.socket.write(ctx, request); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
}

// next is the next request; nil when there is nothing more to ask for, and errIdle when
// nothing is wanted.
func (c *Conn) next() ([]byte, error) {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	if len(c.line.names) == 0 {
		return nil, errIdle
	}
	if names := c.unwanted(); names != nil {
		for _, name := range names {
			delete(c.asked, name)
		}
		return c.client.protocol.Request(names, false), nil
	}
	names := c.missing()
	if names == nil {
		return nil, nil
	}
	c.requests++
	for _, name := range names {
		c.asked[name] = c.requests
	}
	return c.client.protocol.Request(names, true), nil
}

// unwanted are markets that have been asked for and are not wanted any more, as many
// as a request holds.
func (c *Conn) unwanted() []string {
	var names []string
	for name := range c.asked {
		if m := c.client.markets[name]; m == nil || m.line != c.line {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), c.client.terms.PerRequest)]
}

// missing are markets that are wanted and have not been asked for, as many as a request
// holds.
func (c *Conn) missing() []string {
	var names []string
	for _, name := range c.line.names {
		if c.asked[name] == 0 && len(names) < c.client.terms.PerRequest {
			names = append(names, name)
		}
	}
	return names
}

// forgetRefused takes what the exchange has refused for not asked for.
func (c *Conn) forgetRefused() {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	for _, name := range c.line.names {
		if c.client.markets[name].refused {
			delete(c.asked, name)
		}
	}
}
