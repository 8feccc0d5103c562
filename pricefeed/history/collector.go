package history

import (
	"slices"
	"sync"
	"time"

	"tickerd/ticker"
)

// A collector makes candles of one second. The feed writes, the book takes what is
// over; neither holds it longer than it takes to copy.
type collector struct {
	wake chan struct{} // a second is over

	mu       sync.Mutex
	attended bool // somebody takes what is over
	slots    map[ticker.Symbol]int
	open     *row
	over     []*row // oldest first
	spare    []*row
	taken    uint64 // how many seconds have left over
}

func newCollector() *collector {
	return &collector{wake: make(chan struct{}, 1), slots: map[ticker.Symbol]int{}, open: new(row)}
}

// follow replaces the symbols, each with its slot.
func (c *collector) follow(slots map[ticker.Symbol]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slots = slots
}

// add is History.Add.
func (c *collector) add(tick ticker.Tick) {
	second := floorDivide(tick.TS, time.Second.Microseconds())
	c.mu.Lock()
	defer c.mu.Unlock()
	if second != c.open.start {
		c.turn(second)
	}
	for _, p := range tick.Data {
		if slot, known := c.slots[p.Symbol]; known && len(p.Price) <= maxDigits {
			c.open.at(slot).Add(p.Price)
		}
	}
}

// close ends the open second if it is over by now.
func (c *collector) close(now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open.start < now {
		c.turn(now)
	}
}

// attend lets the seconds go that begin before from, and keeps those that follow until
// they are taken. It returns how many have left over until now.
func (c *collector) attend(from int64) (taken uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attended = true
	for len(c.over) > 0 && c.over[0].start < from {
		c.lose()
	}
	return c.taken
}

// leave ends what attend has begun: of what is over the oldest goes by itself.
func (c *collector) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attended = false
}

const (
	// maxOver is how many seconds may wait to be taken. Those that come then are lost.
	maxOver = 600

	// maxUnattended is how many are kept where nobody takes them.
	maxUnattended = 60
)

// turn opens another second. The caller holds mu.
func (c *collector) turn(second int64) {
	if !c.attended && len(c.over) >= maxUnattended {
		c.lose()
	}
	if len(c.open.touched) > 0 && len(c.over) < maxOver {
		c.over = append(c.over, c.open)
		c.open = new(row)
		if n := len(c.spare); n > 0 {
			c.open, c.spare = c.spare[n-1], c.spare[:n-1]
		}
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	c.open.reset(second)
}

// next is the oldest second that is over, nil if none, and the start of the one that
// followed.
func (c *collector) next() (over *row, following int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch len(c.over) {
	case 0:
		return nil, c.open.start
	case 1:
		return c.over[0], c.open.start
	}
	return c.over[0], c.over[1].start
}

// take takes away what next has given, whose memory is used again.
func (c *collector) take() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lose()
}

// lose is take for who holds mu.
func (c *collector) lose() {
	c.spare = append(c.spare, c.over[0])
	c.over = slices.Delete(c.over, 0, 1)
	c.taken++
}

// since appends a symbol's candles behind the first n seconds. It reports false when
// more than n have been taken away.
func (c *collector) since(n uint64, slot int, dst []ticker.Candle) ([]ticker.Candle, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken > n {
		return dst, false
	}
	for _, r := range c.over[min(n-c.taken, uint64(len(c.over))):] {
		dst = appendCandle(dst, r.get(slot))
	}
	return appendCandle(dst, c.open.get(slot)), true
}

func appendCandle(dst []ticker.Candle, c ticker.Candle) []ticker.Candle {
	if c.Empty() {
		return dst
	}
	return append(dst, c)
}
