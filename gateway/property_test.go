package gateway_test

import (
	"crypto/tls"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"tickerd/bus"
)

// TestContract is the promise itself, from the bus to the socket: whatever clients
// subscribe to, at whichever pace they read, however they leave and come back, and
// while handlers are replaced and ticks are lost on their way, each gets whole frames, every answer in order, and
// nothing is left out between two messages without "snapshot".
//
// CONTRACT_SEED repeats what was done at random, though not its timing, and
// CONTRACT_TICKS sets how long it goes on.
func TestContract(t *testing.T) {
	t.Parallel()
	seed := variable(t, "CONTRACT_SEED", rand.Uint64())
	ticks := variable(t, "CONTRACT_TICKS", 2000)
	t.Logf("CONTRACT_SEED=%d", seed)
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		newFloor(t, seed, nil).trade(24, int(ticks))
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		cert, key, roots := certificate(t)
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		newFloor(t, seed, &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: "localhost"}).trade(8, int(ticks))
	})
}

// variable is a number from the environment, or another where there is none.
func variable(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// A floor is where traders meet a market: a world whose gateway's sockets hold
// little.
type floor struct {
	*world
	market *market
	seed   uint64
	secure *tls.Config // nil: without TLS

	mu    sync.Mutex
	tally tally // of those who have finished
}

// A tally is how often what has happened.
type tally map[string]int

// newFloor opens a floor.
func newFloor(t *testing.T, seed uint64, secure *tls.Config) *floor {
	t.Helper()
	config := net.ListenConfig{Control: tight}
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	w := calm(t, func(o *options) { o.listener = l })
	const others = 20
	market := newMarket(rand.New(rand.NewPCG(seed, 0)), others)
	w.publisherAnswers(bus.PriceSnapshot, 1, market.snapshot)
	return &floor{world: w, market: market, seed: seed, secure: secure, tally: tally{}}
}

// trade lets so many traders act while about so many ticks come, in bursts, and
// holds that what is to be tested has happened.
func (f *floor) trade(traders, ticks int) {
	f.Helper()
	var acting sync.WaitGroup
	for i := range traders {
		acting.Go(newTrader(f, i).run)
	}
	acting.Go(f.replaceHandlers)
	rng := rand.New(rand.NewPCG(f.seed, math.MaxUint64))
	beat := time.NewTicker(2 * time.Millisecond)
	defer beat.Stop()
	for n := 0; n < ticks && !f.Failed(); <-beat.C {
		for range rng.IntN(5) / 2 {
			n++
			lost := rng.IntN(200) == 0
			if tick := f.market.tick(lost); !lost {
				f.publishTick(tick, 1)
			}
		}
		if rng.IntN(100) == 0 {
			f.publish(bus.StatusNews, f.market.status())
		}
	}
	f.market.close()
	acting.Wait()
	f.Logf("%d ticks, %v", len(f.market.past())-1, f.tally)
	for _, what := range []string{answered, farewells, heard, late, replaced, resets, resumed, skipped} {
		if f.tally[what] == 0 && !f.Failed() {
			f.Errorf("%s: none, the test does not reach what it is for", what)
		}
	}
}

// What is counted.
const (
	answered  = "answers"
	farewells = "farewells"
	heard     = "events"
	late      = "updates at intervals"
	replaced  = "handlers replaced"
	resets    = "resets"
	resumed   = "resumptions"
	skipped   = "snapshots instead of a backlog"
	ticked    = "ticks"
	torn      = "connections cut"
	unheld    = "connections that no handler took"
)

// count adds to the tally.
func (f *floor) count(t tally) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for what, n := range t {
		f.tally[what] += n
	}
}

// replaceHandlers ends a handler and starts another, now and then.
func (f *floor) replaceHandlers() {
	for stop := f.stopHandler; f.market.await(150); f.count(tally{replaced: 1}) {
		stop()
		stop = f.startHandler(2)
	}
}
