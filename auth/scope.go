package auth

import (
	"slices"
	"strings"

	"tickerd/ticker"
)

// Scope is what one token may do; immutable, and so safe for concurrent use.
type Scope struct {
	names    []string // of policies, as the token has them
	policies []*Policy

	// The reading of symbols: patterns in upper case, none of which covers another
	// of its list.
	allow   []string
	deny    []string
	allowed []string // empty: no limit
	key     string
}

func newScope(names []string, policies []*Policy, allowed []string) *Scope {
	s := &Scope{names: slices.Clip(names), policies: policies, allowed: essence(allowed)}
	for _, p := range policies {
		if p.Effect == Deny {
			s.deny = append(s.deny, p.symbols()...)
		} else {
			s.allow = append(s.allow, p.symbols()...)
		}
	}
	s.allow, s.deny = essence(s.allow), essence(s.deny)
	s.key = s.describe()
	return s
}

// Allows reports whether action on resource is allowed: any deny wins, then any
// allow, else not. To read a symbol, its key's patterns must match it too.
func (s *Scope) Allows(action, resource string) bool {
	if action == ActionRead {
		return s.Sees(ticker.Symbol(resource))
	}
	allowed := false
	for _, p := range s.policies {
		if p.speaksOf(action, resource) {
			if p.Effect == Deny {
				return false
			}
			allowed = true
		}
	}
	return allowed
}

// Sees is Allows(ActionRead, sym). It does not allocate.
func (s *Scope) Sees(sym ticker.Symbol) bool {
	name := string(sym)
	return matchAny(s.allow, name) &&
		(len(s.allowed) == 0 || matchAny(s.allowed, name)) &&
		!matchAny(s.deny, name)
}

// Key spells out which symbols are seen: "*", "BTC-*,ETH-USD", "*!XRP-USD". Scopes
// of one key see the same, and so may share a stream.
func (s *Scope) Key() string { return s.key }

func (s *Scope) describe() string {
	everything := []string{ticker.Everything}
	if len(s.allow) == 0 || slices.Equal(s.deny, everything) {
		return "!*"
	}
	key := strings.Join(s.allow, ",")
	if len(s.allowed) > 0 {
		limit := strings.Join(s.allowed, ",")
		if slices.Equal(s.allow, everything) {
			key = limit
		} else if key != limit {
			key += "&" + limit
		}
	}
	if len(s.deny) > 0 {
		key += "!" + strings.Join(s.deny, ",")
	}
	return key
}

// essence is patterns in order, without those that another one covers.
func essence(patterns []string) []string {
	sorted := slices.Compact(slices.Sorted(slices.Values(patterns)))
	kept := slices.DeleteFunc(slices.Clone(sorted), func(p string) bool {
		return slices.ContainsFunc(sorted, func(other string) bool {
			// Of two that cover each other ("*" and "**") the first stays.
			return other != p && ticker.Match(other, p) && (other < p || !ticker.Match(p, other))
		})
	})
	return kept
}
