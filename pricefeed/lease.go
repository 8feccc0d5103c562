package pricefeed

import (
	"context"
	"errors"
	"sync"
	"time"

	"tickerd/bus"
)

const (
	// takeoverAfter is how long nobody may be heard before another node takes over: six
	// beats of who publishes.
	takeoverAfter = 6 * aliveEvery

	// returnAfter is how long a node that has given up waits for another to take over
	// before it goes on itself.
	returnAfter = time.Second

	// standstill is how long this node may do nothing at all, stopped or starved, before
	// it no longer believes to be what it was.
	standstill = time.Second

	leasePoll      = 50 * time.Millisecond
	leaseRetry     = time.Second
	releaseTimeout = 5 * time.Second

	// openTimeout bounds one try to open the lease: what is asked while a cluster has no
	// leader yet is never answered.
	openTimeout = 2 * time.Second
)

// Peers is the other nodes, as a feed needs to know them.
type Peers interface {
	// InTouch reports whether this node hears the majority of them.
	InTouch() bool
	// Yield gives the leadership of a stream to another node.
	Yield(stream string)
}

// alone is a node without peers.
type alone struct{}

func (alone) InTouch() bool { return true }
func (alone) Yield(string)  {}

// Why a feed stops publishing.
const (
	errOverruled = Error("another node publishes")
	errCutOff    = Error("this node is cut off from the others")
	errStopped   = Error("this node stood still for a while")
	errRetired   = Error("this node is going to end")
)

// keepLease has prices published whenever it is this node's turn, until ctx ends.
func (f *Feed) keepLease(ctx context.Context) {
	leases := f.openLeases(ctx)
	if leases == nil {
		return
	}
	for {
		lease := f.await(ctx, leases)
		if lease == nil {
			return
		}
		if err := f.tenure(ctx, lease); err != nil {
			f.log.Warn("this node publishes no more", "term", lease.Term(), "reason", err)
		}
	}
}

// openLeases tries until it can, or ctx ends.
func (f *Feed) openLeases(ctx context.Context) *bus.Leases {
	for {
		try, cancel := context.WithTimeout(ctx, openTimeout)
		leases, err := f.bus.OpenLeases(try)
		cancel()
		if err == nil {
			return leases
		}
		if !f.pause(ctx, "open the publisher's lease", err) {
			return nil
		}
	}
}

// pause waits before what has failed is tried again, and reports false when ctx has
// ended.
func (f *Feed) pause(ctx context.Context, what string, err error) bool {
	if ctx.Err() == nil {
		f.trouble.Do(func() { f.log.Warn(what, "err", err, "retry_in", leaseRetry) })
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(leaseRetry):
		return true
	}
}

// await waits for this node's turn, and takes the lease. It is nil when ctx has ended.
func (f *Feed) await(ctx context.Context, leases *bus.Leases) *bus.Lease {
	poll := time.NewTicker(leasePoll)
	defer poll.Stop()
	looked := time.Now()
	f.heard.wait() // who has just published has not listened
	for first := true; ; first = false {
		touch, now := f.peers.InTouch(), time.Now()
		if !touch || now.Sub(looked) > standstill {
			f.heard.wait() // who cannot hear, or has not listened, knows of no silence
		}
		looked = now
		if touch && (first || f.isDue()) {
			lease, err := f.acquire(ctx, leases, first)
			switch {
			case lease != nil:
				return lease
			case errors.Is(err, bus.ErrLeaseTaken):
				f.heard.wait()
			case err != nil && !f.pause(ctx, "take the publisher's lease", err):
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.heard.news:
		case <-poll.C:
		}
	}
}

// isDue reports whether nobody publishes, and this node is to.
func (f *Feed) isDue() bool {
	silence, released := f.heard.silence()
	switch {
	case f.isRetired():
		return silence >= returnAfter
	case released:
		return true
	}
	return silence >= takeoverAfter
}

// acquire takes the lease. At first it does so only where nobody else can have it,
// without having listened for long.
func (f *Feed) acquire(ctx context.Context, leases *bus.Leases, first bool) (*bus.Lease, error) {
	last, err := leases.Last(ctx)
	if err != nil {
		return nil, err
	}
	others := last.Node != "" && last.Node != f.node && !last.Released
	if first && (others && f.peers != alone{} || f.isRetired()) {
		return nil, nil
	}
	for until := time.Now().Add(takeoverAfter); ; {
		lease, err := leases.Acquire(ctx, f.node, last)
		if !errors.Is(err, bus.ErrLeaseTaken) {
			return lease, err
		}
		was := last
		if last, err = readNewer(ctx, leases, was, until); err != nil {
			return nil, err
		}
		if last.Node != was.Node && !last.Released || !first && !f.isDue() {
			return nil, bus.ErrLeaseTaken
		}
	}
}

// readNewer reads until it finds what was written after a tenure. What is read is what
// some node knows, which may be behind: the lease that could not be taken may be one that
// its holder has given back since, or for which it has reserved numbers.
func readNewer(ctx context.Context, leases *bus.Leases, was bus.Tenure, until time.Time) (bus.Tenure, error) {
	for {
		last, err := leases.Last(ctx)
		switch {
		case err != nil || last != was:
			return last, err
		case time.Now().After(until):
			return last, bus.ErrLeaseTaken
		}
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-time.After(leasePoll):
		}
	}
}

// tenure has prices published until ctx ends, and then gives the lease back; or until
// the lease is lost, which the error tells.
func (f *Feed) tenure(ctx context.Context, lease *bus.Lease) error {
	select {
	case <-f.doubts: // of the lease before, which was lost for another reason as well
	default:
	}
	if !f.hand(lease) {
		return nil
	}
	inner, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	var lost error
	parts.Go(func() {
		defer cancel()
		lost = lease.Run(inner, func(err error) { f.complain("publisher's lease", err) })
	})
	// What was published last is kept, too.
	remembering, forget := context.WithCancel(context.WithoutCancel(ctx))
	var memory sync.WaitGroup
	if f.history != nil {
		memory.Go(func() { f.remember(remembering) })
	}

	reason := f.rule(inner, lease)
	cancel()
	parts.Wait()
	f.hand(nil)
	forget()
	memory.Wait()
	switch {
	case lost != nil:
		return lost
	case errors.Is(reason, errOverruled), errors.Is(reason, errCutOff), errors.Is(reason, errStopped):
		return reason
	}
	f.release(lease)
	return reason
}

// hand gives publish a lease, or takes it away, and reports whether publish lives. When
// it returns, nothing is published any more under the lease before.
func (f *Feed) hand(lease *bus.Lease) bool {
	select {
	case f.leases <- lease:
		return true
	case <-f.ended:
		return false
	}
}

// rule waits for the end of a tenure, and tells its reason, nil when ctx has ended.
func (f *Feed) rule(ctx context.Context, lease *bus.Lease) error {
	poll := time.NewTicker(leasePoll)
	defer poll.Stop()
	yield := time.NewTicker(leaseRetry)
	defer yield.Stop()
	retired := f.retired
	if f.isRetired() {
		retired = nil // nobody else is there
	}
	for {
		switch {
		case f.heard.newest() > lease.Term():
			return errOverruled
		case !f.peers.InTouch():
			return errCutOff
		}
		select {
		case <-ctx.Done():
			return nil
		case <-retired:
			return errRetired
		case <-f.doubts:
			return errStopped
		case <-yield.C:
			f.peers.Yield(bus.LeaseStream) // so that our death costs it no election
		case <-f.heard.news:
		case <-poll.C:
		}
	}
}

// Retire has another node publish, if there is one: this one is going to end.
func (f *Feed) Retire() { f.retire.Do(func() { close(f.retired) }) }

func (f *Feed) isRetired() bool {
	select {
	case <-f.retired:
		return true
	default:
		return false
	}
}

// release gives the lease back, with the numbers that were not used, and tells so.
// Where that fails the numbers are skipped, and another node takes over a little later.
func (f *Feed) release(lease *bus.Lease) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	err := lease.Release(ctx)
	if err == nil {
		f.heard.wait()
		err = f.bus.PublishJSON(bus.PublisherReleased, bus.Alive{Node: f.node, Term: lease.Term()})
	}
	if err != nil {
		f.log.Warn("publisher's lease", "err", err)
	}
}

// remember keeps the history until ctx ends.
func (f *Feed) remember(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	if f.HasPast() {
		parts.Go(func() { f.history.Fill(ctx, f.Candles) })
	}
	if err := f.history.Run(ctx); err != nil {
		f.log.Error("history", "err", err)
	}
}
