package ticker

import (
	"strings"
	"unique"
)

// HeldRules is rules as one of very many connections keeps them: 8 bytes, for those
// that hold equal rules share them. Make it with Hold.
type HeldRules struct{ text unique.Handle[string] }

// ruleSeparator stands between rules, and in none.
const ruleSeparator = ","

// Hold gives r to be kept.
func (r Rules) Hold() HeldRules {
	if len(r) == 1 {
		return HeldRules{unique.Make(r[0])}
	}
	return HeldRules{unique.Make(strings.Join(r, ruleSeparator))}
}

// String is the same for equal rules only.
func (h HeldRules) String() string { return h.text.Value() }

// Rules is what is held, never nil.
func (h HeldRules) Rules() Rules {
	if h.String() == "" {
		return Rules{}
	}
	return strings.Split(h.String(), ruleSeparator)
}
