package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	leaseBucket = "tickerd"
	leaseKey    = "publisher"

	// LeaseStream is the stream behind the lease, of which a publisher is best not the
	// one that leads.
	LeaseStream = "KV_" + leaseBucket

	// leaseBlock is how many sequence numbers are reserved with one write: eleven
	// minutes of 10 ms ticks. A crash skips what was left of the block, so that
	// seq only ever grows.
	leaseBlock = 1 << 16

	storeTimeout = 5 * time.Second
)

const (
	// ErrSeqExhausted is NextSeq's failure when the store has not answered for half
	// a block's time.
	ErrSeqExhausted = Error("no sequence number left: the bus store does not answer")

	// ErrLeaseTaken is the failure to write a lease that is another's by now.
	ErrLeaseTaken = Error("another node has taken the lease")
)

// Leases is where the lease is kept: an entry of a JetStream key-value bucket. Who
// replaces the entry that was there has the lease; that nobody can do twice. Whether
// its holder still lives the entry does not tell.
type Leases struct{ kv jetstream.KeyValue }

// A Tenure is what the entry says of the lease.
type Tenure struct {
	Node     string `json:"node"`               // who has the lease; "": nobody ever had it
	Seq      uint64 `json:"seq"`                // every number below may have been given out
	Released bool   `json:"released,omitempty"` // it was given back

	revision uint64
}

// OpenLeases makes the bucket, if need be.
func (c *Conn) OpenLeases(ctx context.Context) (*Leases, error) {
	js, err := jetstream.New(c.nats, jetstream.WithDefaultTimeout(storeTimeout))
	if err != nil {
		return nil, fmt.Errorf("open lease: %w", err)
	}
	l := &Leases{}
	err = c.replicated(func() (err error) {
		l.kv, err = js.KeyValue(ctx, leaseBucket)
		return err
	}, func(replicas int) (err error) {
		l.kv, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:      leaseBucket,
			Description: "who publishes prices, and how far the sequence numbers are given out",
			Replicas:    replicas,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open lease: %w", err)
	}
	return l, nil
}

// Last is the tenure that was written last, as far as this node knows.
func (l *Leases) Last(ctx context.Context) (Tenure, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	entry, err := l.kv.Get(ctx, leaseKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Tenure{}, nil
	}
	if err != nil {
		return Tenure{}, fmt.Errorf("read lease: %w", err)
	}
	var t Tenure
	if err := json.Unmarshal(entry.Value(), &t); err != nil {
		return Tenure{}, fmt.Errorf("read lease: entry %s.%s: %w", leaseBucket, leaseKey, err)
	}
	t.revision = entry.Revision()
	return t, nil
}

// Acquire takes the lease for node, from who had it last; ErrLeaseTaken where
// somebody has been faster.
func (l *Leases) Acquire(ctx context.Context, node string, last Tenure) (*Lease, error) {
	lease := &Lease{kv: l.kv, node: node, revision: last.revision, extend: make(chan struct{}, 1)}
	lease.next.Store(max(last.Seq, 1))
	if err := lease.reserve(ctx, lease.next.Load()+leaseBlock); err != nil {
		return nil, fmt.Errorf("acquire lease: %w", err)
	}
	lease.term = lease.revision
	return lease, nil
}

// A Lease is the right to publish prices: one node has it.
type Lease struct {
	kv   jetstream.KeyValue
	node string
	term uint64

	extend chan struct{} // asks Run for the next block

	// Owned by Run, and by Release after it.
	revision uint64

	next     atomic.Uint64 // the number that NextSeq gives next
	reserved atomic.Uint64 // the first number that it may not give
}

// Term is the revision of the entry when the lease was taken: it grows from one
// holder to the next, and over restarts.
func (l *Lease) Term() uint64 { return l.term }

// NextSeq gives the next sequence number. Run must be running.
func (l *Lease) NextSeq() (uint64, error) {
	seq, reserved := l.next.Load(), l.reserved.Load()
	if seq+leaseBlock/2 >= reserved {
		select {
		case l.extend <- struct{}{}:
		default:
		}
	}
	if seq >= reserved {
		return 0, ErrSeqExhausted
	}
	l.next.Store(seq + 1)
	return seq, nil
}

// Run keeps numbers in reserve until ctx ends. What the store refuses is tried again
// when the next number is asked for; tell is called with the reason. It returns
// ErrLeaseTaken when the lease is another's.
func (l *Lease) Run(ctx context.Context, tell func(error)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.extend:
			err := l.reserve(ctx, l.next.Load()+leaseBlock)
			switch {
			case err == nil, ctx.Err() != nil:
			case errors.Is(err, ErrLeaseTaken):
				return fmt.Errorf("extend lease: %w", err)
			default:
				tell(fmt.Errorf("extend lease: %w", err))
			}
		}
	}
}

// Release gives the lease and the unused numbers back. The holder publishes
// nothing more, and Run has returned.
func (l *Lease) Release(ctx context.Context) error {
	if err := l.write(ctx, Tenure{Node: l.node, Seq: l.next.Load(), Released: true}); err != nil {
		return fmt.Errorf("release lease: %w", err)
	}
	return nil
}

// reserve writes that every number below seq may be given out, if the lease is
// still ours.
func (l *Lease) reserve(ctx context.Context, seq uint64) error {
	if err := l.write(ctx, Tenure{Node: l.node, Seq: seq}); err != nil {
		return err
	}
	l.reserved.Store(seq)
	return nil
}

// write replaces the entry that this lease wrote last. A write whose acknowledgement
// was lost looks like another's: the lease is lost then, and nobody has it twice.
func (l *Lease) write(ctx context.Context, t Tenure) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	value, err := json.Marshal(t)
	if err != nil {
		return err
	}
	revision, err := l.kv.Update(ctx, leaseKey, value, l.revision)
	if isConflict(err) {
		return ErrLeaseTaken
	}
	if err != nil {
		return err
	}
	l.revision = revision
	return nil
}

// isConflict reports whether a write was refused because another came before it.
func isConflict(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// AcquireLease takes the lease for node, whoever has it.
func (c *Conn) AcquireLease(ctx context.Context, node string) (*Lease, error) {
	leases, err := c.OpenLeases(ctx)
	if err != nil {
		return nil, err
	}
	last, err := leases.Last(ctx)
	if err != nil {
		return nil, err
	}
	return leases.Acquire(ctx, node, last)
}
