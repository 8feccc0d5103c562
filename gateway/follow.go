package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"tickerd/bus"
	"tickerd/gateway/fanout"
)

// A follower brings the hub what the publisher says, in the order in which it said it:
// ticks, statuses, that it lives, and what it answers.
//
// The publisher is asked for everything at the start, when ticks were missed, and when
// it is heard again. Until it has answered, what came behind a gap is kept aside; where
// nobody answers, the gap is given up.
//
// Of one that is heard no more, or while this node is out of touch with the others, all
// prices are told to be stale: source "cluster". Silence is counted in looks, so that
// a process that was stopped has not heard silence.
type follower struct {
	hub     *fanout.Hub
	bus     *bus.Conn
	address string // of the answers
	metrics *metrics
	log     *slog.Logger
	trouble *rate.Sometimes
	primed  chan struct{} // closed by the first price
	first   sync.Once

	apart atomic.Bool // out of touch

	inbox    *bus.Inbox
	prices   *bus.Subscription
	statuses *bus.Subscription
	alive    *bus.Subscription
	answers  *bus.Subscription

	// Owned by run.
	known   bool     // a publisher was heard
	quiet   int      // looks since it was heard
	missed  bool     // there is a gap
	asked   bool     // the publisher is to answer
	waited  int      // looks since it was asked first
	refused int      // how often nobody was there to answer
	away    bool     // was out of touch at the last look
	stale   []string // the symbols of which this was told; nil: of none
}

const (
	lookEvery   = 250 * time.Millisecond
	staleLooks  = 20 // 5 s without a word: all prices are stale
	doubtLooks  = 4  // 1 s: what came meanwhile may be lost
	answerLooks = 4  // 1 s for an answer
	maxRefused  = 2  // a route that has just come up may not know yet who answers

	// sourceCluster is the source of a status that is said of all prices.
	sourceCluster = "cluster"
)

// What the publisher is asked, as the last token of the address where it answers.
const (
	askedSnapshot = "feed.snapshot"
	askedStatus   = "feed.status"
)

func newFollower(g *Gateway) *follower {
	return &follower{
		hub:     g.hub,
		bus:     g.bus,
		address: bus.Address(g.node, ""),
		metrics: g.metrics,
		log:     g.log,
		trouble: &g.trouble,
		primed:  make(chan struct{}),
	}
}

// open subscribes, so that nothing that is said from now on is missed by run.
func (f *follower) open() error {
	f.inbox = f.bus.NewInbox()
	for subject, sub := range map[string]**bus.Subscription{
		bus.Prices: &f.prices, bus.StatusNews: &f.statuses, bus.PublisherAlive: &f.alive, f.address + "feed.*": &f.answers,
	} {
		var err error
		if *sub, err = f.inbox.Subscribe(subject); err != nil {
			return fmt.Errorf("subscribe %s: %w", subject, err)
		}
	}
	return nil
}

// close ends what open has begun.
func (f *follower) close() {
	for _, sub := range []*bus.Subscription{f.prices, f.statuses, f.alive, f.answers} {
		if sub != nil {
			_ = sub.Unsubscribe() // fails only where the bus is gone already
		}
	}
	f.inbox.Close()
}

// run takes what comes until ctx ends.
func (f *follower) run(ctx context.Context) {
	f.ask()
	for ctx.Err() == nil {
		look, cancel := context.WithTimeout(ctx, lookEvery)
		for m := f.inbox.Next(look.Done()); m != nil; m = f.inbox.Next(look.Done()) {
			f.take(m)
		}
		cancel()
		f.look()
	}
}

func (f *follower) take(m *bus.Msg) {
	switch m.Sub {
	case f.prices:
		f.tick(m)
	case f.statuses:
		f.complain("status", f.hub.Status(m.Data))
	case f.alive:
		f.lives(m)
	case f.answers:
		f.answer(m)
	}
	f.judge()
}

func (f *follower) tick(m *bus.Msg) {
	term, err := termOf(m)
	if err == nil {
		err = f.hub.Tick(m.Data, term)
	}
	switch {
	case err == nil:
		f.metrics.ticks.Inc()
		f.prime()
		f.hear()
	case errors.Is(err, fanout.ErrMissed):
		f.metrics.ticks.Inc()
		f.hear()
		f.miss()
	default:
		f.metrics.dropped.Inc()
		f.trouble.Do(func() { f.log.Warn("tick dropped", "err", err, "publisher", m.Header.Get(bus.HeaderNode)) })
	}
}

// termOf is the term in a message of the publisher, 0 where it gives none.
func termOf(m *bus.Msg) (uint64, error) {
	s := m.Header.Get(bus.HeaderTerm)
	if s == "" {
		return 0, nil
	}
	term, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", bus.HeaderTerm, err)
	}
	return term, nil
}

// lives takes in that a publisher lives.
func (f *follower) lives(m *bus.Msg) {
	var alive bus.Alive
	if err := json.Unmarshal(m.Data, &alive); err != nil {
		f.complain(bus.PublisherAlive, err)
		return
	}
	switch err := f.hub.Alive(alive.Term, alive.Seq); {
	case err == nil:
		f.hear()
	case errors.Is(err, fanout.ErrMissed):
		f.hear()
		f.miss()
	}
}

// hear takes note that the publisher was heard. Who was unheard for a while may have
// said something meanwhile.
func (f *follower) hear() {
	silent := !f.known || f.quiet >= doubtLooks
	f.known, f.quiet = true, 0
	if silent {
		f.ask()
	}
}

// miss has the publisher asked for what was missed.
func (f *follower) miss() {
	if !f.missed {
		f.missed = true
		f.metrics.gaps.Inc()
		f.ask()
	}
}

// ask has the publisher asked for all prices and states, if it is not already.
func (f *follower) ask() {
	if !f.asked {
		f.asked, f.waited, f.refused = true, 0, 0
		f.request()
	}
}

func (f *follower) request() {
	for subject, reply := range map[string]string{bus.PriceSnapshot: askedSnapshot, bus.PriceStatus: askedStatus} {
		f.complain(subject, f.bus.Ask(subject, f.address+reply, nil))
	}
}

// answer takes what the publisher answers, or that nobody does.
func (f *follower) answer(m *bus.Msg) {
	switch subject, none := bus.NoResponders(m); {
	case none && subject == bus.PriceSnapshot:
		if f.refused++; f.refused >= maxRefused || !f.missed {
			f.hub.GoOn()
			f.settle()
		} // else it is asked again at the next look
	case none:
	case m.Subject == f.address+askedStatus:
		f.complain(bus.PriceStatus, f.hub.States(m.Data))
	default:
		f.adopt(m)
	}
}

// adopt takes the publisher's snapshot. One that does not fill the gap may be of a
// publisher that was.
func (f *follower) adopt(m *bus.Msg) {
	term, err := termOf(m)
	if err == nil {
		err = f.hub.Adopt(m.Data, term)
	}
	if err != nil && f.missed {
		f.complain(bus.PriceSnapshot, err)
		return
	}
	f.settle()
}

// settle ends the asking.
func (f *follower) settle() {
	f.asked, f.missed = false, false
	if _, seq, _ := f.hub.Newest(); seq > 0 {
		f.prime()
	}
}

func (f *follower) prime() { f.first.Do(func() { close(f.primed) }) }

// look does what is due.
func (f *follower) look() {
	f.quiet++
	f.waited++
	was := f.away
	f.away = f.apart.Load()
	switch {
	case was && !f.away:
		f.ask()
	case !f.asked:
	case f.missed && f.waited < answerLooks:
		f.request()
	case f.missed:
		f.hub.GoOn()
		f.missed = false
		f.request() // for it may be that not all is known
	case f.waited%answerLooks > 0:
	case f.quiet < doubtLooks:
		f.request()
	default:
		f.asked = false // until it is heard
	}
	f.judge()
}

// judge tells when all prices have become stale, and when they are live again.
func (f *follower) judge() {
	switch lost := f.known && (f.away || f.quiet >= staleLooks); {
	case lost && f.stale == nil:
		for _, s := range f.hub.Symbols() {
			f.stale = append(f.stale, string(s))
		}
		f.tell(bus.Stale)
	case !lost && f.stale != nil && (!f.asked || f.waited >= answerLooks):
		f.tell(bus.Live)
		f.stale = nil
	}
}

// tell tells the state of the symbols that are, or were until now, stale.
func (f *follower) tell(state string) {
	if f.stale == nil {
		return
	}
	f.log.Warn("all prices", "state", state, "quiet", lookEvery*time.Duration(f.quiet), "cut_off", f.away)
	msg, err := json.Marshal(bus.Status{Type: "status", Source: sourceCluster, State: state, Symbols: f.stale})
	if err == nil {
		err = f.hub.Status(msg)
	}
	f.complain(sourceCluster, err)
}

// complain logs what is wrong with what was heard, if anything is.
func (f *follower) complain(what string, err error) {
	if err != nil {
		f.trouble.Do(func() { f.log.Warn("publisher not understood", "subject", what, "err", err) })
	}
}
