package pricefeed

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"tickerd/bus"
	"tickerd/ticker"
)

// A heard is what this node hears of the others that publish. The bus writes on it: of
// each subject in order, and of one beside another.
type heard struct {
	node string        // ours, which is not listened to
	news chan struct{} // something has come that may not wait; one element at most
	take func(ticker.Tick)

	mu       sync.Mutex
	term     uint64    // the newest
	at       time.Time // when its publisher was heard last, or when we began to listen
	ever     bool      // one was heard
	released bool      // it has stopped, and nobody of a newer one was heard since
	ts       int64     // of its last tick
	prices   map[ticker.Symbol]ticker.Price

	// Owned by tick.
	scanned ticker.Scanned
}

func newHeard(node string, take func(ticker.Tick)) *heard {
	return &heard{
		node: node, take: take, news: make(chan struct{}, 1), at: time.Now(),
		prices: map[ticker.Symbol]ticker.Price{},
	}
}

// tick takes a message of bus.Prices.
func (h *heard) tick(m *bus.Msg) {
	if m.Header.Get(bus.HeaderNode) == h.node {
		return
	}
	term, err := strconv.ParseUint(m.Header.Get(bus.HeaderTerm), 10, 64)
	if err != nil || !h.hear(term) || ticker.Scan(m.Data, &h.scanned) != nil {
		return
	}
	tick := ticker.Tick{Seq: h.scanned.Seq, TS: h.scanned.TS, Data: make([]ticker.Price, 0, len(h.scanned.Data))}
	for _, e := range h.scanned.Data {
		if p, err := e.Price(); err == nil {
			tick.Data = append(tick.Data, p)
		}
	}
	h.take(tick)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ts = tick.TS
	for _, p := range tick.Data {
		h.prices[p.Symbol] = p
	}
}

// alive takes a message of bus.PublisherAlive.
func (h *heard) alive(m *bus.Msg) {
	var a bus.Alive
	if json.Unmarshal(m.Data, &a) == nil && a.Node != h.node {
		h.hear(a.Term)
	}
}

// stopped takes a message of bus.PublisherReleased.
func (h *heard) stopped(m *bus.Msg) {
	var a bus.Alive
	if json.Unmarshal(m.Data, &a) != nil || a.Node == h.node {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.Term >= h.term {
		h.term, h.released = a.Term, true
		h.poke()
	}
}

// hear notes that who publishes in that term is alive, and reports whether it counts:
// nobody of a newer term was heard before. That it has stopped stays so, for what it said
// before may come behind that.
func (h *heard) hear(term uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if term < h.term {
		return false
	}
	if term > h.term {
		h.released = false
		h.poke()
	}
	h.term, h.at, h.ever = term, time.Now(), true
	return true
}

// poke has who waits for news look. The caller holds mu.
func (h *heard) poke() {
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// newest is the newest term that was heard.
func (h *heard) newest() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.term
}

// silence is how long nobody was heard, and whether that is because the last one has
// given up.
func (h *heard) silence() (d time.Duration, released bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.at), h.released
}

// wait begins the silence anew: somebody has just become the publisher.
func (h *heard) wait() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.released = time.Now(), false
}

// publishes reports whether somebody else was heard within a time.
func (h *heard) publishes(within time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ever && !h.released && time.Since(h.at) < within
}

// last is what was published last: the prices of all symbols, and when.
func (h *heard) last() (prices map[ticker.Symbol]ticker.Price, ts int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	prices, h.prices = h.prices, map[ticker.Symbol]ticker.Price{}
	return prices, h.ts
}
