package auth

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"tickerd/bus"
	"tickerd/ticker"
)

// An event is what stands in the journal, below one of the subjects bus.Journal…; of its
// fields those are set that the subject asks for.
type event struct {
	// ID names the event, so that it is kept once and can be withdrawn.
	ID string `json:"id"`

	Key        *journalKey     `json:"key,omitempty"`        // bus.JournalKey: what is known of a key
	Revocation *bus.Revocation `json:"revocation,omitempty"` // bus.JournalRevoked
	Withdrawn  *withdrawal     `json:"withdrawn,omitempty"`  // bus.JournalWithdrawn
}

// journalKey is a key as nodes tell one another of it. Times are unix seconds.
type journalKey struct {
	ID        string   `json:"id"`
	Hash      string   `json:"hash"` // SHA-256, hexadecimal
	Prefix    string   `json:"prefix"`
	UserID    string   `json:"user_id"`
	Role      string   `json:"role"`
	Symbols   []string `json:"symbols,omitempty"` // none: no limit
	Demo      bool     `json:"demo,omitempty"`
	Node      string   `json:"node,omitempty"` // whose demo key it is
	CreatedAt int64    `json:"created_at"`
	ExpiresAt *int64   `json:"expires_at,omitempty"`
	RevokedAt *int64   `json:"revoked_at,omitempty"`
}

// A withdrawal undoes a change of which who asked for it was told that it failed.
type withdrawal struct {
	ID    string `json:"id"`     // of the event
	KeyID string `json:"key_id"` // of the key that it made or revoked
}

const (
	// maxNode is more than any node's name has.
	maxNode = 255
	// maxEventID leaves room for the id of what was revoked.
	maxEventID = 2 * maxID
)

// readEvent reads what stands below subject in the journal.
func readEvent(subject string, data []byte) (event, error) {
	var e event
	if err := json.Unmarshal(data, &e); err != nil {
		return event{}, err
	}
	if e.ID == "" || len(e.ID) > maxEventID || !isText(e.ID) {
		return event{}, fmt.Errorf("id %q", clip(e.ID))
	}
	switch subject {
	case bus.JournalMark:
		return event{ID: e.ID}, nil
	case bus.JournalKey:
		if e.Key == nil {
			return event{}, fmt.Errorf("%s without a key", subject)
		}
		if err := e.Key.check(); err != nil {
			return event{}, err
		}
		return event{ID: e.ID, Key: e.Key}, nil
	case bus.JournalRevoked:
		if e.Revocation == nil || e.Revocation.At <= 0 {
			return event{}, ErrRevocation
		}
		if _, _, err := subjectOf(*e.Revocation); err != nil {
			return event{}, err
		}
		return event{ID: e.ID, Revocation: e.Revocation}, nil
	case bus.JournalWithdrawn:
		if e.Withdrawn == nil || !isID(e.Withdrawn.ID) || !isID(e.Withdrawn.KeyID) {
			return event{}, fmt.Errorf("%s does not say what", subject)
		}
		return event{ID: e.ID, Withdrawn: e.Withdrawn}, nil
	}
	return event{}, fmt.Errorf("subject %q", clip(subject))
}

// subject is where e stands in the journal.
func (e event) subject() string {
	switch {
	case e.Key != nil:
		return bus.JournalKey
	case e.Revocation != nil:
		return bus.JournalRevoked
	case e.Withdrawn != nil:
		return bus.JournalWithdrawn
	}
	return bus.JournalMark
}

// check says what a key cannot be.
func (k *journalKey) check() error {
	_, err := ticker.ParsePatterns(k.Symbols)
	switch {
	case !isID(k.ID):
		return fmt.Errorf("key id %q", clip(k.ID))
	case !isHash(k.Hash):
		return fmt.Errorf("hash of key %s", k.ID)
	case len(k.Prefix) > prefixShown || !isText(k.Prefix):
		return fmt.Errorf("prefix of key %s", k.ID)
	case !isUser(k.UserID):
		return fmt.Errorf("user of key %s", k.ID)
	case !isName(k.Role):
		return fmt.Errorf("role of key %s", k.ID)
	case len(k.Symbols) > maxKeySymbols || err != nil:
		return fmt.Errorf("symbols of key %s", k.ID)
	case len(k.Node) > maxNode || !isText(k.Node):
		return fmt.Errorf("node of key %s", k.ID)
	}
	return nil
}

// journaled is the row as nodes tell one another of it.
func (r keyRow) journaled() *journalKey {
	return &journalKey{
		ID: r.ID, Hash: r.Hash, Prefix: r.Prefix, UserID: r.UserID, Role: r.Role, Symbols: r.patterns(),
		Demo: r.Demo, Node: r.Node, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, RevokedAt: r.RevokedAt,
	}
}

// row is the inverse of journaled.
func (k *journalKey) row() keyRow {
	return keyRow{
		ID: k.ID, Hash: k.Hash, Prefix: k.Prefix, UserID: k.UserID, Role: k.Role, Symbols: strings.Join(k.Symbols, ","),
		Demo: k.Demo, Node: k.Node, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt,
	}
}

// isID reports whether s can be the id of something.
func isID(s string) bool { return s != "" && len(s) <= maxID && isText(s) }

// isText reports whether s is text that every database takes.
func isText(s string) bool { return !strings.ContainsFunc(s, unicode.IsControl) }

// isHash reports whether s is a SHA-256 in lower-case hexadecimal.
func isHash(s string) bool {
	hash, err := hex.DecodeString(s)
	return err == nil && len(hash) == 32 && s == strings.ToLower(s)
}
