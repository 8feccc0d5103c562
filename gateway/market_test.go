package gateway_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"tickerd/bus"
	"tickerd/ticker"
)

// A quote is a symbol's price as it stands in a tick.
type quote struct {
	json string
	seq  uint64 // of the tick that brought it
}

// An event is a tick that was published, and what was true thereupon.
type event struct {
	seq    uint64
	at     time.Time
	news   []int   // the symbols that it changed
	quotes []quote // the newest of each symbol
	lost   bool    // it is not published
}

// A market is what is published, and remembers it. The symbols go by their
// numbers; each appears when a tick first has it.
type market struct {
	names []string
	rng   *rand.Rand

	mu     sync.Mutex
	events []event       // the first is before all ticks
	states []string      // of each symbol; empty: live
	more   chan struct{} // closed and renewed with each tick
	over   bool          // there will be no more
}

// newMarket makes one of the symbols that exist from the beginning, and of
// others.
func newMarket(rng *rand.Rand, others int) *market {
	m := &market{rng: rng, more: make(chan struct{})}
	for _, s := range symbols() {
		m.names = append(m.names, string(s))
	}
	for i := range others {
		m.names = append(m.names, fmt.Sprintf("S%d-USD", i))
	}
	m.events = []event{{quotes: make([]quote, len(m.names))}}
	m.states = make([]string, len(m.names))
	return m
}

// tick makes the next tick: mostly of a few symbols, at times of all that have
// appeared. It is published, or it is lost.
func (m *market) tick(lost bool) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.events[len(m.events)-1]
	e := event{seq: last.seq + 1, at: time.Now(), quotes: slices.Clone(last.quotes), lost: lost}
	sparse := []int{1, 5, 5, 10, 10}[m.rng.IntN(5)]
	var prices []string
	names := m.names[:min(len(symbols())+len(m.events)/30, len(m.names))]
	for i, name := range names {
		if m.rng.IntN(sparse) > 0 {
			continue
		}
		price := fmt.Sprintf("%d.%02d", m.rng.IntN(1_000_000), m.rng.IntN(100))
		prices = append(prices, name+"="+price)
		e.news = append(e.news, i)
		e.quotes[i] = quote{fmt.Sprintf(`{"symbol":%q,"price":%s,"timestamp":1700000000}`, name, price), e.seq}
	}
	m.events = append(m.events, e)
	m.tell()
	return tickOf(e.seq, prices...)
}

// snapshot is all prices as of the last tick.
func (m *market) snapshot() []byte {
	events := m.past()
	last := events[len(events)-1]
	var known []string
	for _, q := range last.quotes {
		if q.json != "" {
			known = append(known, q.json)
		}
	}
	msg := ticker.AppendHead(nil, last.seq, int64(last.seq)*1000, true)
	return append(append(msg, strings.Join(known, ",")...), ticker.Tail...)
}

// status makes the next news of a source.
func (m *market) status() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := []string{bus.Live, bus.Stale, bus.Down}[m.rng.IntN(3)]
	var list []string
	for _, i := range m.rng.Perm(len(m.names))[:1+m.rng.IntN(5)] {
		list = append(list, fmt.Sprintf("%q", m.names[i]))
		m.states[i] = remembered(state)
	}
	return fmt.Sprintf(`{"type":"status","source":"feed","state":%q,"symbols":[%s]}`, state, strings.Join(list, ","))
}

// remembered is how a state is kept.
func remembered(state string) string {
	if state == bus.Live {
		return ""
	}
	return state
}

// close says that there will be no more ticks.
func (m *market) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.over = true
	m.tell()
}

func (m *market) tell() {
	close(m.more)
	m.more = make(chan struct{})
}

// await waits until n more ticks are published. It reports false once there will
// be no more.
func (m *market) await(n int) bool {
	for until := len(m.past()) + n; ; {
		m.mu.Lock()
		reached, over, more := len(m.events) >= until, m.over, m.more
		m.mu.Unlock()
		if over || reached {
			return !over
		}
		<-more
	}
}

// past is all events so far.
func (m *market) past() []event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.events
}

// state is the state of each symbol but a hidden one.
func (m *market) state(hidden string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	states := slices.Clone(m.states)
	if i := slices.Index(m.names, hidden); i >= 0 {
		states[i] = ""
	}
	return states
}

// find gives the place of a tick among events.
func find(events []event, seq uint64) (i int, found bool) {
	return slices.BinarySearchFunc(events, seq, func(e event, seq uint64) int { return cmp.Compare(e.seq, seq) })
}
