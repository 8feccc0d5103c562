package handler

import (
	"encoding/json"
	"maps"
	"sync"
	"sync/atomic"

	"tickerd/bus"
	"tickerd/ticker"
)

// A catalog is the symbols that exist: those of the settings, and every one that
// was ever in a tick, until it is told to be gone. Readers take no lock: the set is
// replaced, never changed, and that only when a symbol is new, or gone.
type catalog struct {
	symbols atomic.Pointer[map[ticker.Symbol]struct{}]

	mu      sync.Mutex // of who replaces the set
	scanned ticker.Scanned
}

func newCatalog(symbols []ticker.Symbol) *catalog {
	set := make(map[ticker.Symbol]struct{}, len(symbols))
	for _, s := range symbols {
		set[s] = struct{}{}
	}
	c := new(catalog)
	c.symbols.Store(&set)
	return c
}

// has reports whether s exists.
func (c *catalog) has(s ticker.Symbol) bool {
	_, ok := (*c.symbols.Load())[s]
	return ok
}

// learn takes in the symbols of a tick, or of a snapshot.
func (c *catalog) learn(tick []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ticker.Scan(tick, &c.scanned); err != nil {
		return err
	}
	known := *c.symbols.Load()
	for _, e := range c.scanned.Data {
		if _, ok := known[ticker.Symbol(e.Symbol)]; !ok {
			c.grow(known)
			break
		}
	}
	return nil
}

// grow replaces the set by one that has the symbols of the scanned tick too.
func (c *catalog) grow(known map[ticker.Symbol]struct{}) {
	grown := maps.Clone(known)
	for _, e := range c.scanned.Data {
		grown[ticker.Symbol(e.Symbol)] = struct{}{}
	}
	c.symbols.Store(&grown)
}

// forget takes in a status: symbols may be gone.
func (c *catalog) forget(status []byte) error {
	var news bus.Status
	if err := json.Unmarshal(status, &news); err != nil {
		return err
	}
	if !news.Gone {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	left := maps.Clone(*c.symbols.Load())
	for _, symbol := range news.Symbols {
		delete(left, ticker.Symbol(symbol))
	}
	c.symbols.Store(&left)
	return nil
}
