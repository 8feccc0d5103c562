package standin

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"tickerd/ticker"
)

const (
	pace       = 2 * time.Millisecond   // of trades: what falls due within it comes together
	attendAt   = 100 * time.Millisecond // connections are looked after so often
	mostBehind = time.Second            // later trades are left out
)

// A dialect is what an exchange says in its own way. All of it is called by the venue,
// which is locked.
type dialect interface {
	// status tells a connection how the exchange is: first of all, and whenever that
	// has changed.
	status(c *conn)
	// receive takes what the client has said.
	receive(c *conn, text []byte)
	// attend does what is to be done from time to time.
	attend(c *conn, now time.Time)
	// message is what is said on a topic.
	message(t *topic, q *quote) any
}

// An exchange is what is fixed of one.
type exchange struct {
	name    string
	terms   terms
	symbol  func(name string) (ticker.Symbol, bool) // what is meant by a name; false: it cannot be one
	rolling bool                                    // maintenance is of one of its servers at a time
	dialect
}

// A venue is an exchange at work. It has one lock for all, which nobody holds for longer
// than a batch of trades takes.
type venue struct {
	exchange
	config  Config
	log     *slog.Logger
	serving sync.WaitGroup // connections

	mu       sync.Mutex
	closed   bool
	faults   *faults
	visitors map[string]*visitor
	conns    map[*conn]struct{}
	markets  map[string]*market
	topics   map[topicKey]*topic
	trading  []*market // of which somebody wants prices
	timed    []*topic  // that do not follow the trades
	changed  bool      // the subscriptions, since the two were made
	random   *rand.Rand
	next     time.Time // the next trade
	attended time.Time
}

func newVenue(x exchange, config Config) *venue {
	return &venue{
		exchange: x,
		config:   config,
		log:      config.Log.With("exchange", x.name),
		faults:   newFaults(),
		visitors: map[string]*visitor{},
		conns:    map[*conn]struct{}{},
		markets:  map[string]*market{},
		topics:   map[topicKey]*topic{},
		random:   rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
}

// run trades until ctx ends, and then drops all connections.
func (v *venue) run(ctx context.Context) {
	every := time.NewTicker(pace)
	defer every.Stop()
	for {
		select {
		case now := <-every.C:
			v.round(now)
		case <-ctx.Done():
			v.close()
			return
		}
	}
}

func (v *venue) close() {
	v.mu.Lock()
	v.closed = true
	for c := range v.conns {
		c.drop()
	}
	v.mu.Unlock()
	v.serving.Wait()
}

// round does what has fallen due until now.
func (v *venue) round(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.regroup()
	v.trade(now)
	for _, t := range v.timed {
		if now.After(t.next) {
			t.next = now.Add(t.channel.every)
			v.sayAgain(t)
		}
	}
	if now.Sub(v.attended) >= attendAt && !v.faults.silent {
		v.attended = now
		for c := range v.conns {
			v.attend(c, now)
		}
	}
	for c := range v.conns {
		c.flush()
	}
}

// trade makes the trades until now. Those of all markets together come as those of each
// do, at random, and each of the markets is as likely to be the next.
func (v *venue) trade(now time.Time) {
	if v.next.Before(now.Add(-mostBehind)) || len(v.trading) == 0 {
		v.next = now
	}
	for len(v.trading) > 0 && v.next.Before(now) {
		m := v.trading[v.random.IntN(len(v.trading))]
		m.step(v.next, v.faults.shift, v.random)
		for _, t := range m.live {
			v.say(t)
		}
		mean := float64(time.Second) / (v.config.Rate * float64(len(v.trading)))
		v.next = v.next.Add(time.Duration(v.random.ExpFloat64() * mean))
	}
}

// market is the one of that name, if there is one.
func (v *venue) market(name string) (*market, bool) {
	symbol, ok := v.known(name)
	if !ok {
		return nil, false
	}
	m := v.markets[name]
	if m == nil {
		m = newMarket(v.name, name, symbol, v.config.Seed, time.Now())
		v.markets[name] = m
	}
	return m, true
}

// known is the canonical symbol of a name that the exchange knows.
func (v *venue) known(name string) (ticker.Symbol, bool) {
	symbol, ok := v.symbol(name)
	if !ok || slices.Contains(v.config.Unknown, symbol) {
		return "", false
	}
	symbol = canonical(symbol)
	return symbol, !slices.Contains(v.config.Unknown, symbol) && !slices.Contains(v.faults.delisted, symbol)
}

// fault makes a fault that is valid, from now on.
func (v *venue) fault(f Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f.Exchange != "" && f.Exchange != v.name {
		return
	}
	_ = faultValues[f.Kind](v.faults, f.Value) // the value is valid
	if f.Kind == faultMaintenance || f.Kind == faultDelist {
		v.statusAll()
	}
}

// mend ends all faults.
func (v *venue) mend() {
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.faults
	v.faults = newFaults()
	if before.maintenance {
		v.statusAll()
	}
}

func (v *venue) statusAll() {
	for c := range v.conns {
		v.status(c)
	}
}
