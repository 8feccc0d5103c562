package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"tickerd/bus"
)

const (
	// lookEvery is how often is looked for what came into the journal and was not told of.
	lookEvery = 250 * time.Millisecond
	// checkEvery is how often is looked whether it is still the same stream.
	checkEvery = 5 * time.Second
	// tryTimeout bounds one try to put or get an event, and tryPause is between two.
	tryTimeout = 2 * time.Second
	tryPause   = 100 * time.Millisecond
	// markTTL is how long a mark is kept, and markTimeout bounds the wait for it to come
	// to this node.
	markTTL     = 10 * time.Minute
	markTimeout = 5 * time.Minute
	// proofTimeout bounds the tries to find out whether a majority takes a change at all.
	// It is longer than an election.
	proofTimeout = 15 * time.Second
	// applyPage is how many events are applied in one transaction.
	applyPage = 256
	// complainEvery is how often the log tells of what is wrong and stays so.
	complainEvery = 30 * time.Second
)

// A journal keeps the database of this node in step with those of the others: it applies
// what stands in the stream, in order, and puts there what is to count everywhere.
//
// A change of which the acknowledgement is lost may be kept all the same, even later. So
// it is made in two steps. First a mark is put, which changes nothing: with its
// acknowledgement a majority has it, and will take what follows. Then comes the change,
// and is tried again, under the same name, until it is acknowledged too. Should the
// majority be lost just in between, or this process, the change is withdrawn as soon as
// there is one again.
type journal struct {
	conn     *bus.Conn
	store    *Store
	node     string
	verifier *Verifier
	log      *slog.Logger

	touch   contact
	wake    chan struct{} // has room for one: there may be something to do
	stream  atomic.Pointer[bus.Stream]
	applied progress

	// Owned by run.
	made    time.Time // the stream of which applied tells
	checkAt time.Time
	toldAt  time.Time
}

func newJournal(p ServiceParts) *journal {
	return &journal{
		conn: p.Bus, store: p.Store, node: p.Node, verifier: p.Verifier, log: p.Log,
		wake: make(chan struct{}, 1), applied: progress{grown: make(chan struct{})},
	}
}

// poke has the journal looked at soon.
func (j *journal) poke() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// turned takes note that this node is in touch anew, or is not.
func (j *journal) turned(in bool) {
	j.touch.turned(in)
	j.poke()
}

// run keeps in step until ctx ends. It calls serve whenever touch may be otherwise.
func (j *journal) run(ctx context.Context, serve func()) {
	clock := time.NewTicker(lookEvery)
	defer clock.Stop()
	begun := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.wake:
		case <-clock.C:
		}
		if !begun {
			if err := j.begin(ctx); err != nil {
				j.complain(ctx, err)
				continue
			}
			begun = true
		}
		serve()
		if j.touch.isIn() {
			if err := j.step(ctx); err != nil {
				j.complain(ctx, err)
			}
		}
		serve()
	}
}

// begin has what the process before this one could not finish withdrawn, and the Verifier
// know what was revoked on this node and may not be in the journal yet.
func (j *journal) begin(ctx context.Context) error {
	if err := j.store.withdrawPending(ctx); err != nil || j.verifier == nil {
		return err
	}
	var last bus.Revocation
	for {
		page, err := j.store.revocations(ctx, last)
		if err != nil {
			return err
		}
		j.verifier.hear(page...)
		if len(page) < revocationsPage {
			return nil
		}
		last = page[len(page)-1]
	}
}

// step does what is to be done while in touch.
func (j *journal) step(ctx context.Context) error {
	if err := j.check(ctx); err != nil {
		return err
	}
	if err := j.follow(ctx); err != nil {
		return err
	}
	if turn, due := j.touch.begin(); due {
		if err := j.catchUp(ctx, turn); err != nil {
			return fmt.Errorf("catch up: %w", err)
		}
	}
	return j.tellOthers(ctx)
}

// check opens the stream, if that is not done, and now and again looks whether it is
// still the one that was opened.
func (j *journal) check(ctx context.Context) error {
	stream := j.stream.Load()
	_, due := j.touch.begin()
	if stream != nil && !due && time.Now().Before(j.checkAt) {
		return nil
	}
	if stream == nil || j.isLost(ctx, stream) {
		if err := j.open(ctx); err != nil {
			return err
		}
	}
	j.checkAt = time.Now().Add(checkEvery)
	return nil
}

// isLost reports whether the stream is no more, or another is in its place. One that does
// not answer, for want of a leader say, is taken to be there.
func (j *journal) isLost(ctx context.Context, stream *bus.Stream) bool {
	if err := j.try(ctx, stream.Look); err != nil {
		return errors.Is(err, bus.ErrNotKept)
	}
	return !stream.Created().Equal(j.made)
}

// open opens the stream, or makes it, and finds out how far it has been applied.
func (j *journal) open(ctx context.Context) error {
	var stream *bus.Stream
	err := j.try(ctx, func(ctx context.Context) (err error) {
		stream, err = j.conn.OpenStream(ctx, bus.StreamConfig{
			Name: bus.KeyJournal, Subjects: []string{bus.Journal}, MessageTTL: true,
		})
		return err
	})
	if err != nil {
		return err
	}
	at, err := j.store.position(ctx, stream.Created().UnixNano())
	if err != nil {
		return err
	}
	j.applied.set(uint64(at.Seq))
	j.made = stream.Created()
	j.stream.Store(stream)
	return nil
}

// follow applies what is in the stream, as far as the asked node has it.
func (j *journal) follow(ctx context.Context) error {
	stream := j.stream.Load()
	for {
		next := j.applied.at() + 1
		var page []entry
		var err error
		for len(page) < applyPage {
			var kept bus.Kept
			err = j.try(ctx, func(ctx context.Context) (err error) {
				kept, err = stream.From(ctx, next)
				return err
			})
			if err != nil {
				break
			}
			e, unread := readEvent(kept.Subject, kept.Data)
			if unread != nil {
				j.log.Error("event of the journal not understood", "seq", kept.Seq, "err", unread)
			}
			page = append(page, entry{e, kept.Seq})
			next = kept.Seq + 1
		}
		if len(page) > 0 {
			done, err := j.store.apply(ctx, page)
			if err != nil {
				return err
			}
			j.handOn(done)
			j.applied.set(page[len(page)-1].seq)
		}
		switch {
		case errors.Is(err, bus.ErrNotKept):
			return nil
		case err != nil:
			return err
		}
	}
}

// handOn has this node's Verifier learn what the journal says, which may be all that it
// hears of it.
func (j *journal) handOn(done changes) {
	if j.verifier == nil {
		return
	}
	j.verifier.restore(done.restored)
	j.verifier.hear(done.revoked...)
	if !j.store.demo.Load() {
		for _, id := range done.demos {
			j.verifier.hear(bus.Revocation{KeyID: id})
		}
	}
}

// catchUp puts a mark behind all that a majority has, and applies what is before it.
func (j *journal) catchUp(ctx context.Context, turn uint64) error {
	mark, err := j.put(ctx, event{ID: bus.NewID()}, markTTL)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, markTimeout)
	defer cancel()
	for {
		if err := j.follow(ctx); err != nil {
			return err
		}
		if j.applied.at() >= mark {
			break
		}
		if now, _ := j.touch.begin(); now != turn {
			return nil // it begins anew
		}
		if err := pause(ctx, tryPause); err != nil {
			return err
		}
	}
	if j.verifier != nil {
		demos, err := j.store.refusedDemos(ctx)
		if err != nil {
			return err
		}
		j.verifier.hear(demos...)
	}
	j.touch.caughtUp(turn)
	j.log.Info("keys are up to date", "key_seq", j.applied.at())
	return nil
}

// tellOthers puts into the stream what was written here and is to count everywhere.
func (j *journal) tellOthers(ctx context.Context) error {
	withdrawals, err := j.store.withdrawals(ctx)
	if err != nil {
		return err
	}
	for _, w := range withdrawals {
		if _, err := j.put(ctx, event{ID: "withdrawn." + w.ID, Withdrawn: &w}, 0); err != nil {
			return err
		}
	}
	told := len(withdrawals) > 0
	for {
		rows, events, err := j.store.outbox(ctx, j.node)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		for _, e := range events {
			if err := j.putTold(ctx, e); err != nil {
				return err
			}
		}
		if err := j.store.told(ctx, rows); err != nil {
			return err
		}
		told = true
	}
	if !told {
		return nil
	}
	if err := j.conn.Publish(bus.KeysChanged, nil); err != nil {
		return err
	}
	return j.follow(ctx)
}

// putTold puts an event of the outbox. A revocation is kept as long as it counts.
func (j *journal) putTold(ctx context.Context, e event) error {
	var ttl time.Duration
	if e.Revocation != nil {
		ttl = time.Unix(e.Revocation.At, 0).Add(remembered).Sub(j.store.clock()).Truncate(time.Second)
		if ttl < time.Second {
			return nil
		}
	}
	_, err := j.put(ctx, e, ttl)
	return err
}

// add makes a key on all nodes: see [Store.add]. It is ErrUnreachable where that cannot
// be confirmed; then no node has it.
func (j *journal) add(ctx context.Context, hash, prefix string, k NewKey) (Info, error) {
	k, err := k.checked()
	if err != nil {
		return Info{}, err
	}
	row := j.store.row(hash, prefix, k)
	isNew := func(ctx context.Context) error { return j.store.unused(ctx, hash) }
	if err := j.commit(ctx, event{ID: madeBy(row.ID), Key: row.journaled()}, row.ID, isNew); err != nil {
		return Info{}, fmt.Errorf("store key: %w", err)
	}
	return row.info(), nil
}

// revoke ends a key on all nodes: see [Store.Revoke].
func (j *journal) revoke(ctx context.Context, id string) error {
	rev := bus.Revocation{KeyID: id, At: j.store.clock().Unix()}
	isKnown := func(ctx context.Context) error { return j.store.known(ctx, id) }
	if err := j.commit(ctx, event{ID: "revoke." + bus.NewID(), Revocation: &rev}, id, isKnown); err != nil {
		return fmt.Errorf("revoke key %s: %w", clip(id), err)
	}
	return nil
}

// commit has an event kept by the majority, and applied here, if that can be done and
// check, which looks at what has been applied until then, agrees.
func (j *journal) commit(ctx context.Context, e event, keyID string, check func(context.Context) error) error {
	mark, err := j.prove(ctx)
	if err != nil {
		return err
	}
	if err := j.await(ctx, mark); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if err := check(ctx); err != nil {
		return err
	}
	w := withdrawal{ID: e.ID, KeyID: keyID}
	if err := j.store.begin(ctx, w); err != nil {
		return err
	}
	lasting := context.WithoutCancel(ctx)
	seq, err := j.insist(ctx, e, 0, func() bool { return true })
	if err == nil {
		err = j.store.settle(lasting, w)
	}
	if err != nil {
		j.log.Warn("a change of keys cannot be confirmed, and is withdrawn", "key_id", keyID, "err", err)
		defer j.poke()
		return errors.Join(fmt.Errorf("%w: %w", ErrUnreachable, err), j.store.withdraw(lasting, w))
	}
	if err := j.conn.Publish(bus.KeysChanged, nil); err != nil {
		j.log.Warn("tell of a change of keys", "err", err)
	}
	if err := j.await(ctx, seq); err != nil {
		j.log.Warn("a change of keys has not come to this node yet", "key_id", keyID, "err", err)
	}
	return nil
}

// prove finds out whether a majority takes what is put.
func (j *journal) prove(ctx context.Context) (mark uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	mark, err = j.insist(ctx, event{ID: bus.NewID()}, markTTL, j.touch.isCurrent)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return mark, nil
}

// insist puts an event until it is acknowledged, as long as hope says that it may be.
func (j *journal) insist(ctx context.Context, e event, ttl time.Duration, hope func() bool) (seq uint64, err error) {
	for {
		seq, err = j.put(ctx, e, ttl)
		switch {
		case err == nil:
			return seq, nil
		case !hope():
			return 0, err
		}
		if pause(ctx, tryPause) != nil {
			return 0, err
		}
	}
}

// put is one try to append an event, which is kept once by its ID.
func (j *journal) put(ctx context.Context, e event, ttl time.Duration) (seq uint64, err error) {
	data, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	stream := j.stream.Load()
	if stream == nil {
		return 0, errors.New("the journal is not open")
	}
	err = j.try(ctx, func(ctx context.Context) (err error) {
		seq, err = stream.PutOnce(ctx, e.subject(), e.ID, data, ttl)
		return err
	})
	return seq, err
}

// await returns when this node has applied the journal up to seq.
func (j *journal) await(ctx context.Context, seq uint64) error {
	j.poke()
	for {
		at, grown := j.applied.watch()
		if at >= seq {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-grown:
		case <-time.After(tryPause): // the asked node may have had it just not yet
			j.poke()
		}
	}
}

func (j *journal) try(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	return f(ctx)
}

// complain tells of what is wrong, now and again while it stays so.
func (j *journal) complain(ctx context.Context, err error) {
	if now := time.Now(); ctx.Err() == nil && now.Sub(j.toldAt) >= complainEvery {
		j.toldAt = now
		j.log.Warn("journal of keys, trying on", "err", err)
	}
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
