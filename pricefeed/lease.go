package pricefeed

import (
	"context"
	"time"

	"tickerd/bus"
)

const (
	leaseRetry     = time.Second
	releaseTimeout = 5 * time.Second
)

// keepLease takes the lease, and anew when it was lost or the store did not
// answer, until ctx ends. It hands each one to publish, and returns the last,
// nil if there was none. While there is no new one the old one goes on: its
// numbers last for minutes, and a gateway that has seen a newer holder drops
// what we send.
func (f *Feed) keepLease(ctx context.Context) (last *bus.Lease) {
	for {
		lease, err := f.bus.AcquireLease(ctx, f.node)
		if err == nil {
			last = lease
			select {
			case f.leases <- lease:
			case <-ctx.Done():
			}
			err = lease.Run(ctx)
		}
		if ctx.Err() != nil {
			return last
		}
		f.log.Error("publisher's lease", "err", err, "retry_in", leaseRetry)
		select {
		case <-ctx.Done():
			return last
		case <-time.After(leaseRetry):
		}
	}
}

// release gives the numbers back that were not used. Without that they are
// skipped, which does no harm.
func (f *Feed) release(lease *bus.Lease) {
	if lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if err := lease.Release(ctx); err != nil {
		f.log.Warn("publisher's lease", "err", err)
	}
}
