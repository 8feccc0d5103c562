package auth

import (
	"testing"
	"time"

	"tickerd/bus"
)

// journaled is a store with one key, made by the journal, and what applies further events.
func journaled(t *testing.T) (s *Store, key Key, id string, apply func(...event)) {
	t.Helper()
	s = openStore(t)
	if _, err := s.position(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	var seq uint64
	apply = func(events ...event) {
		t.Helper()
		for _, e := range events {
			seq++
			if _, err := s.apply(t.Context(), []entry{{e, seq}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	key = RandomKey()
	row := s.row(key.Hash(), key.Prefix(), NewKey{User: "ann", Role: RoleUser})
	apply(event{ID: madeBy(row.ID), Key: row.journaled()})
	return s, key, row.ID, apply
}

// A key that was revoked twice is revoked as long as one of the two stands.
func TestOneOfSeveralIsWithdrawn(t *testing.T) {
	revoke := func(id, keyID string) event {
		return event{ID: id, Revocation: &bus.Revocation{KeyID: keyID, At: time.Now().Unix()}}
	}
	withdraw := func(id, keyID string) event {
		return event{ID: "withdrawn." + id, Withdrawn: &withdrawal{ID: id, KeyID: keyID}}
	}
	for name, test := range map[string]struct {
		does    func(t *testing.T, s *Store, id string, apply func(...event))
		revoked bool
	}{
		"the only one": {func(_ *testing.T, _ *Store, id string, apply func(...event)) {
			apply(revoke("one", id), withdraw("one", id))
		}, false},
		"the second": {func(_ *testing.T, _ *Store, id string, apply func(...event)) {
			apply(revoke("one", id), revoke("two", id), withdraw("two", id))
		}, true},
		"the first": {func(_ *testing.T, _ *Store, id string, apply func(...event)) {
			apply(revoke("one", id), revoke("two", id), withdraw("one", id))
		}, true},
		"both": {func(_ *testing.T, _ *Store, id string, apply func(...event)) {
			apply(revoke("one", id), revoke("two", id), withdraw("two", id), withdraw("one", id))
		}, false},
		"one that was applied again": {func(_ *testing.T, _ *Store, id string, apply func(...event)) {
			apply(revoke("one", id), revoke("one", id), withdraw("one", id))
		}, false},
		"one after a hand's": {func(t *testing.T, s *Store, id string, apply func(...event)) {
			if err := s.Revoke(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			apply(revoke("one", id), withdraw("one", id))
		}, true},
		"one before a hand's": {func(t *testing.T, s *Store, id string, apply func(...event)) {
			apply(revoke("one", id))
			if err := s.Revoke(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			apply(withdraw("one", id))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, key, id, apply := journaled(t)
			test.does(t, s, id, apply)
			if got := s.Exchange(t.Context(), key.Hash()).Error == bus.ExchangeInvalid; got != test.revoked {
				t.Errorf("the key is revoked: %v, want %v", got, test.revoked)
			}
			if got := len(revocations(t, s)) > 0; got != test.revoked {
				t.Errorf("its revocation is remembered: %v, want %v", got, test.revoked)
			}
		})
	}
}
