package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tickerd/ticker"
)

// Keys is what the command line does with keys: a Store where no node runs, a
// Remote where one does.
type Keys interface {
	// Create makes a key, or is ErrKeyRefused. The key is not kept: the caller shows
	// it once.
	Create(ctx context.Context, k NewKey) (Key, Info, error)
	// List gives all keys, the oldest first, revoked and expired ones too.
	List(ctx context.Context) ([]Info, error)
	// Revoke ends a key for good, and with it its tokens and their connections. To
	// revoke it again is no error; ErrUnknownKey is.
	Revoke(ctx context.Context, id string) error
}

// NewKey says what key to make.
type NewKey struct {
	User    string        // "ann@example.com"
	Role    string        // empty: RoleUser
	Symbols []string      // patterns that the key is limited to; none, or one of them "*": no limit
	Expires time.Duration // how long it lives, in whole seconds; 0: until revoked
}

// maxKeySymbols keeps a token of a limited key short enough for a header.
const maxKeySymbols = 32

// checked is k with its defaults, its symbols in upper case, or ErrKeyRefused.
func (k NewKey) checked() (NewKey, error) {
	if k.Role == "" {
		k.Role = RoleUser
	}
	switch {
	case !isUser(k.User):
		return k, fmt.Errorf("%w: user %q: must be %s", ErrKeyRefused, clip(k.User), userRule)
	case !isName(k.Role):
		return k, fmt.Errorf("%w: role %q: must be %s", ErrKeyRefused, clip(k.Role), nameRule)
	case len(k.Symbols) > maxKeySymbols:
		return k, fmt.Errorf("%w: symbols: %d patterns, at most %d", ErrKeyRefused, len(k.Symbols), maxKeySymbols)
	case k.Expires < 0 || k.Expires%time.Second != 0:
		return k, fmt.Errorf("%w: expires %v: must be whole seconds, or 0 for never", ErrKeyRefused, k.Expires)
	}
	patterns, err := ticker.ParsePatterns(k.Symbols)
	if err != nil {
		return k, fmt.Errorf("%w: symbols: %w", ErrKeyRefused, err)
	}
	k.Symbols = patterns
	if slices.Contains(patterns, ticker.Everything) {
		k.Symbols = nil
	}
	return k, nil
}

// clip shortens foreign text for an error message.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Info is what may be known of a key. Times are unix seconds, null where there
// is none.
type Info struct {
	ID         string   `json:"id"`
	Prefix     string   `json:"prefix"` // the key's first characters: "tk_ABCDE"
	UserID     string   `json:"user_id"`
	Role       string   `json:"role"`
	Symbols    []string `json:"symbols"` // ["*"]: no limit
	CreatedAt  int64    `json:"created_at"`
	ExpiresAt  *int64   `json:"expires_at"`
	RevokedAt  *int64   `json:"revoked_at"`
	LastUsedAt *int64   `json:"last_used_at"` // to the minute
}
