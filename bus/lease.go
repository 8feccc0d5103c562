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

	// leaseBlock is how many sequence numbers are reserved with one write: eleven
	// minutes of 10 ms ticks. A crash skips what was left of the block, so that
	// seq only ever grows.
	leaseBlock = 1 << 16

	storeTimeout = 5 * time.Second
)

// ErrSeqExhausted is NextSeq's failure when the store has not answered for half
// a block's time.
const ErrSeqExhausted = Error("no sequence number left: the bus store does not answer")

// A Lease is the right to publish prices: one node has it. It is an entry of a
// JetStream key-value bucket whose value is the end of the block of sequence
// numbers that its holder may give out.
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

// leaseEntry is the bucket's value.
type leaseEntry struct {
	Node string `json:"node"`
	Seq  uint64 `json:"seq"` // every number below may have been given out
}

// AcquireLease takes the lease for node.
func (c *Conn) AcquireLease(ctx context.Context, node string) (*Lease, error) {
	js, err := jetstream.New(c.nats)
	if err != nil {
		return nil, fmt.Errorf("acquire lease: %w", err)
	}
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket:      leaseBucket,
		Description: "who publishes prices, and how far the sequence numbers are given out",
	})
	if err != nil {
		return nil, fmt.Errorf("acquire lease: %w", err)
	}
	last, revision, err := readLease(ctx, kv)
	if err != nil {
		return nil, fmt.Errorf("acquire lease: %w", err)
	}
	l := &Lease{kv: kv, node: node, revision: revision, extend: make(chan struct{}, 1)}
	l.next.Store(max(last.Seq, 1))
	if err := l.reserve(ctx, l.next.Load()+leaseBlock); err != nil {
		return nil, fmt.Errorf("acquire lease: %w", err)
	}
	l.term = l.revision
	return l, nil
}

func readLease(ctx context.Context, kv jetstream.KeyValue) (leaseEntry, uint64, error) {
	entry, err := kv.Get(ctx, leaseKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return leaseEntry{}, 0, nil
	}
	if err != nil {
		return leaseEntry{}, 0, err
	}
	var e leaseEntry
	if err := json.Unmarshal(entry.Value(), &e); err != nil {
		return leaseEntry{}, 0, fmt.Errorf("entry %s.%s: %w", leaseBucket, leaseKey, err)
	}
	return e, entry.Revision(), nil
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

// Run keeps numbers in reserve until ctx ends.
func (l *Lease) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.extend:
			if err := l.reserve(ctx, l.next.Load()+leaseBlock); err != nil && ctx.Err() == nil {
				return fmt.Errorf("extend lease: %w", err)
			}
		}
	}
}

// Release gives the lease and the unused numbers back. The holder publishes
// nothing more, and Run has returned.
func (l *Lease) Release(ctx context.Context) error {
	if err := l.reserve(ctx, l.next.Load()); err != nil {
		return fmt.Errorf("release lease: %w", err)
	}
	return nil
}

// reserve writes that every number below seq may be given out, if the lease is
// still ours.
func (l *Lease) reserve(ctx context.Context, seq uint64) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	value, err := json.Marshal(leaseEntry{Node: l.node, Seq: seq})
	if err != nil {
		return err
	}
	revision, err := l.kv.Update(ctx, leaseKey, value, l.revision)
	if err != nil {
		return err
	}
	l.revision = revision
	l.reserved.Store(seq)
	return nil
}
