package auth

import (
	"sync"
	"time"

	"tickerd/bus"
)

// remembered is how long a revocation counts. No token is alive after it: one made
// before the revocation has ended by then, and one made later is either of
// another key, or was made within the instant between its key's exchange and the
// signature, for which there is an hour to spare.
const remembered = MaxTokenTTL + time.Hour

// sweepEvery is how often what need not be remembered is forgotten.
const sweepEvery = time.Hour

// A revoked is what a node knows to be revoked. Its memory is bounded by what is
// revoked within thirty days. It is safe for concurrent use.
type revoked struct {
	clock func() time.Time

	mu      sync.RWMutex
	tokens  map[string]int64 // by id: when it may be forgotten, in unix seconds
	keys    map[string]int64 // the same
	users   map[string]int64 // by id: when it was revoked
	sweepAt int64
}

// newRevoked knows of nothing yet.
func newRevoked() *revoked {
	return &revoked{
		clock:  time.Now,
		tokens: make(map[string]int64),
		keys:   make(map[string]int64),
		users:  make(map[string]int64),
	}
}

// add takes in one revocation and reports whether it was news. What is malformed
// is not taken in.
func (r *revoked) add(rev bus.Revocation) (news bool) {
	kind, id, err := subjectOf(rev)
	if err != nil {
		return false
	}
	now := r.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(now.Unix())
	if kind == kindUser {
		at := revokedAt(rev, now)
		if before, there := r.users[id]; there && at <= before || isForgotten(at, now.Unix()) {
			return false
		}
		r.users[id] = at
		return true
	}
	ids := r.tokens
	if kind == kindKey {
		ids = r.keys
	}
	if _, there := ids[id]; there {
		return false
	}
	ids[id] = now.Add(remembered).Unix()
	return true
}

// restore forgets the revocation of a key that was withdrawn.
func (r *revoked) restore(keyID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.keys, keyID)
}

// has reports whether t was revoked: itself, its key, or its user's tokens at or
// after the second in which it was made.
func (r *revoked) has(t Token) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if _, there := r.tokens[t.ID]; there {
		return true
	}
	if _, there := r.keys[t.KeyID]; there {
		return true
	}
	at, there := r.users[t.UserID]
	return there && t.IssuedAt <= at
}

// user is when the tokens of a user were last revoked, zero for never.
func (r *revoked) user(id string) time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if at, there := r.users[id]; there {
		return time.Unix(at, 0)
	}
	return time.Time{}
}

// sweep forgets; the caller holds mu.
func (r *revoked) sweep(now int64) {
	if now < r.sweepAt {
		return
	}
	r.sweepAt = now + int64(sweepEvery/time.Second)
	for _, ids := range []map[string]int64{r.tokens, r.keys} {
		for id, until := range ids {
			if until <= now {
				delete(ids, id)
			}
		}
	}
	for id, at := range r.users {
		if isForgotten(at, now) {
			delete(r.users, id)
		}
	}
}

// isForgotten reports whether a revocation of that time counts no more.
func isForgotten(at, now int64) bool { return at+int64(remembered/time.Second) <= now }

// The kinds of revocation.
const (
	kindToken = "token"
	kindUser  = "user"
	kindKey   = "key"
)

// maxID is more than any id has that we make.
const maxID = 128

// subjectOf is what rev revokes.
func subjectOf(rev bus.Revocation) (kind, id string, err error) {
	switch {
	case rev.TokenID != "" && rev.UserID == "" && rev.KeyID == "":
		kind, id = kindToken, rev.TokenID
	case rev.KeyID != "" && rev.UserID == "" && rev.TokenID == "":
		kind, id = kindKey, rev.KeyID
	case isUser(rev.UserID) && rev.TokenID == "" && rev.KeyID == "":
		kind, id = kindUser, rev.UserID
	}
	if !isID(id) {
		return "", "", ErrRevocation
	}
	return kind, id, nil
}

// revocationOf is the inverse of subjectOf.
func revocationOf(kind, id string, at int64) bus.Revocation {
	rev := bus.Revocation{At: at}
	switch kind {
	case kindToken:
		rev.TokenID = id
	case kindUser:
		rev.UserID = id
	case kindKey:
		rev.KeyID = id
	}
	return rev
}

// revokedAt is when rev says that a user's tokens were revoked. The clock of who
// says so may be ahead of ours, by no more than what leaves a token made after it
// within the leeway.
func revokedAt(rev bus.Revocation, now time.Time) int64 {
	if rev.At == 0 {
		return now.Unix()
	}
	return min(rev.At, now.Add(leeway-time.Second).Unix())
}
