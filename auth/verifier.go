package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tickerd/bus"
)

const (
	// lookAgain is how often a Verifier asks for all revocations anew: so it finds
	// those that a broken connection swallowed, or that were made beside the bus.
	lookAgain = 15 * time.Second
	// firstLook is the pause before it asks again after a failure, which doubles up
	// to lastLook. At a start the service may be some milliseconds late.
	firstLook   = 10 * time.Millisecond
	lastLook    = time.Second
	lookTimeout = 5 * time.Second
)

// Verifier is a Signer that knows what was revoked. Before Run has learned that,
// no token is good. It is safe for concurrent use.
type Verifier struct {
	signer  *Signer
	revoked *revoked
	log     *slog.Logger
	ready   chan struct{} // closed when all that was revoked is known
	news    *inbox
	touch   contact
	touched chan struct{} // has room for one: touch has turned
}

// NewVerifier needs its Run.
func NewVerifier(s *Signer, log *slog.Logger) *Verifier {
	revoked := newRevoked()
	revoked.clock = func() time.Time { return s.Clock() }
	v := &Verifier{
		signer: s, revoked: revoked, log: log,
		ready: make(chan struct{}), news: newInbox(), touched: make(chan struct{}, 1),
	}
	v.touch.turned(true) // until somebody says otherwise
	return v
}

// Ready is closed when this node knows what was revoked, and admits tokens.
func (v *Verifier) Ready() <-chan struct{} { return v.ready }

// Touch is to be called in a cluster when this node gains or loses touch with the
// majority. In touch again, all that was revoked is asked for anew. It does not block.
func (v *Verifier) Touch(in bool) {
	v.touch.turned(in)
	select {
	case v.touched <- struct{}{}:
	default:
	}
}

// Current is nil while this node knows what was revoked anywhere, and else ErrUnreachable,
// or ErrNotReady before it has known it for the first time. It costs next to nothing.
func (v *Verifier) Current() error {
	if v.touch.isCurrent() {
		return nil
	}
	select {
	case <-v.ready:
		return ErrUnreachable
	default:
		return ErrNotReady
	}
}

// Sign is Signer.Sign. Where the user's tokens were revoked within this very
// second, the token says that it was made in the next one, so that it counts; the
// token of a key that was revoked since its exchange is ErrKeyInvalid.
func (v *Verifier) Sign(who bus.ExchangeResult) (raw string, t Token, err error) {
	raw, t, err = v.signer.sign(who, v.revoked.user(who.UserID))
	if err == nil && v.revoked.has(t) {
		return "", Token{}, ErrKeyInvalid
	}
	return raw, t, err
}

// Verify is Signer.Verify, and ErrTokenRevoked for what was revoked. Before Ready
// it is ErrNotReady.
func (v *Verifier) Verify(raw string) (Token, error) {
	select {
	case <-v.ready:
	default:
		return Token{}, ErrNotReady
	}
	t, err := v.signer.Verify(raw)
	if err != nil {
		return Token{}, err
	}
	if v.revoked.has(t) {
		return Token{}, ErrTokenRevoked
	}
	return t, nil
}

// Revoked reports whether t, once verified, has been revoked since.
func (v *Verifier) Revoked(t Token) bool { return v.revoked.has(t) }

// Renewed is the token by which a handler, which has verified it, renews t.
func (v *Verifier) Renewed(t Token, r bus.Renewal) Token {
	grant := Grant{KeyID: r.KeyID, UserID: t.UserID, Role: r.Role, Policies: r.Policies, Allowed: r.Allowed}
	return Token{
		ID:        r.TokenID,
		IssuedAt:  r.IssuedAt,
		ExpiresAt: r.ExpiresAt,
		Grant:     grant.shared(&v.signer.grants),
	}
}

// Run keeps v informed until ctx ends: it listens to bus.Revoked, and then asks
// for what was revoked before, so that nothing is missed in between.
//
// It calls act, one call at a time, with the revocations that are news, all that
// have come by then at once, after Verify has begun to refuse their tokens. act
// ends the live connections whose token is now Revoked. A token may be verified
// just before, and its connection only be listed just after: who lists one asks
// Revoked once more.
func (v *Verifier) Run(ctx context.Context, conn *bus.Conn, act func([]bus.Revocation)) error {
	sub, err := conn.Subscribe(bus.Revoked, func(m *bus.Msg) {
		var rev bus.Revocation
		if err := json.Unmarshal(m.Data, &rev); err != nil {
			v.log.Warn("revocation not understood", "subject", m.Subject, "err", err)
			return
		}
		v.hear(rev)
	})
	if err != nil {
		return fmt.Errorf("verifier: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only where the connection is gone

	var asking sync.WaitGroup
	defer asking.Wait()
	asking.Go(func() { v.ask(ctx, conn) })

	for {
		select {
		case <-ctx.Done():
			return nil
		case <-v.news.wake:
			act(v.news.take())
		}
	}
}

// hear takes in revocations.
func (v *Verifier) hear(revs ...bus.Revocation) {
	news := make([]bus.Revocation, 0, len(revs))
	for _, rev := range revs {
		if _, _, err := subjectOf(rev); err != nil {
			v.log.Warn("revocation not understood", "err", err)
			continue
		}
		if rev.At == 0 {
			rev.At = v.signer.Clock().Unix()
		}
		if v.revoked.add(rev) {
			news = append(news, rev)
		}
	}
	if len(news) > 0 {
		v.news.put(news...)
	}
}

// restore takes back revocations of keys that were withdrawn.
func (v *Verifier) restore(keyIDs []string) {
	for _, id := range keyIDs {
		v.revoked.restore(id)
	}
}

// ask looks for all revocations, soon until it has them, then now and again.
func (v *Verifier) ask(ctx context.Context, conn *bus.Conn) {
	ready := sync.OnceFunc(func() { close(v.ready) })
	soon := firstLook
	for {
		wait := lookAgain
		turn, _ := v.touch.begin()
		if err := v.load(ctx, conn); err == nil {
			v.touch.caughtUp(turn)
			ready()
			soon = firstLook
		} else {
			wait = soon
			soon = min(2*soon, lastLook)
			if soon == lastLook && wait < soon && ctx.Err() == nil { // once
				v.log.Warn("revocations unknown, asking on", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-v.touched:
			soon = firstLook
		case <-time.After(wait):
		}
	}
}

// load asks for all revocations, page by page.
func (v *Verifier) load(ctx context.Context, conn *bus.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var last bus.Revocation
	for {
		var page []bus.Revocation
		if err := conn.Request(ctx, bus.Revocations, last, &page); err != nil {
			return err
		}
		v.hear(page...)
		if len(page) < revocationsPage {
			return nil
		}
		last = page[len(page)-1]
	}
}
