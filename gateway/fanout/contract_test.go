package fanout_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tickerd/gateway/fanout"
)

// TestContract is the promise itself: whatever clients subscribe to, at whichever
// pace they read, their prices are right after every message, nothing is left out
// between two messages without "snapshot", and they know what is not live. Now and then
// ticks do not come, until the publisher tells what they said.
func TestContract(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			hub := fanout.NewHub(nil)
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = hub.Run(ctx) })
			e := newExchange(rng)
			missed := false
			clients := make([]*client, 12)
			for i := range clients {
				c := newClient(hub, rng)
				c.take(t, e, c.cursor.Subscribe(c.view()))
				clients[i] = c
			}
			for range 1500 {
				for range rng.IntN(3) {
					missed = lossy(t, hub, rng, e.tick()) || missed
				}
				if missed && rng.IntN(5) == 0 {
					adopt(t, hub, e)
					missed = false
				}
				if rng.IntN(10) == 0 {
					if err := hub.Status(e.status()); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
				synctest.Wait()
				c := clients[rng.IntN(1+rng.IntN(len(clients)))] // the last ones are slow
				c.act(t, e, hub, rng)
			}
			adopt(t, hub, e)
			time.Sleep(time.Second) // all that is due has been sent
			synctest.Wait()
			finish(t, e, rng, clients)
			cancel()
			running.Wait()
		})
	}
}

// TestContractHoldsForMany is the same with everything happening at once.
func TestContractHoldsForMany(t *testing.T) {
	const loops, each, ticks = 3, 8, 3000
	rng := rand.New(rand.NewPCG(9, 1))
	e := newExchange(rng)
	var published [][]byte
	for len(published) < ticks {
		if msg := e.tick(); msg != nil {
			published = append(published, msg)
		}
	}
	var statuses [][]byte
	for range ticks / 10 {
		statuses = append(statuses, e.status())
	}

	hub := fanout.NewHub(nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running, sending sync.WaitGroup
	running.Go(func() { _ = hub.Run(ctx) })
	sending.Go(func() {
		for _, msg := range published {
			publish(t, hub, msg)
		}
	})
	sending.Go(func() {
		for _, msg := range statuses {
			if err := hub.Status(msg); err != nil {
				t.Error(err)
			}
		}
	})
	sent := make(chan struct{})
	running.Go(func() {
		sending.Wait()
		close(sent)
	})

	var acting sync.WaitGroup
	all := make([][]*client, loops)
	for l := range loops {
		rng := rand.New(rand.NewPCG(9, uint64(l)+2))
		acting.Go(func() {
			for range each {
				c := newClient(hub, rng)
				c.take(t, e, c.cursor.Subscribe(c.view()))
				all[l] = append(all[l], c)
			}
			for {
				select {
				case <-sent:
					return
				default:
					all[l][rng.IntN(each)].act(t, e, hub, rng)
				}
			}
		})
	}
	acting.Wait()
	for _, clients := range all {
		for _, c := range clients {
			c.take(t, e, c.cursor.Snapshot()) // what is due may still come
			c.read(t, e, rng, 4000)
			c.checkDone(t, e)
			c.cursor.Close()
		}
	}
	cancel()
	running.Wait()
}

// publish gives the hub a tick if there is one.
func publish(t *testing.T, hub *fanout.Hub, msg []byte) {
	t.Helper()
	if msg == nil {
		return
	}
	if err := hub.Tick(msg, 1); err != nil {
		t.Error(err)
	}
}

// lossy is publish, but for some ticks that are lost. It reports whether the hub has
// missed something.
func lossy(t *testing.T, hub *fanout.Hub, rng *rand.Rand, msg []byte) (missed bool) {
	t.Helper()
	if msg == nil || rng.IntN(50) == 0 {
		return false
	}
	err := hub.Tick(msg, 1)
	if err != nil && !errors.Is(err, fanout.ErrMissed) {
		t.Error(err)
	}
	return err != nil
}

// adopt gives the hub the publisher's snapshot.
func adopt(t *testing.T, hub *fanout.Hub, e *exchange) {
	t.Helper()
	if err := hub.Adopt(e.snapshot(), 1); err != nil {
		t.Error(err)
	}
}

// finish reads all that is left, and holds that nothing is missing, and that what
// is to be tested has happened.
func finish(t *testing.T, e *exchange, rng *rand.Rand, clients []*client) {
	t.Helper()
	skipped, inflated, statuses := 0, 0, 0
	for _, c := range clients {
		c.read(t, e, rng, 4000)
		c.checkDone(t, e)
		c.cursor.Close()
		skipped += c.skipped
		inflated += c.inflated
		statuses += c.statuses
	}
	if skipped == 0 || inflated == 0 || statuses == 0 {
		t.Errorf("%d snapshots instead of a backlog, %d compressed messages, %d statuses: the test does not reach that", skipped, inflated, statuses)
	}
}
