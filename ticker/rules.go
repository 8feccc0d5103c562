package ticker

import (
	"fmt"
	"slices"
	"strings"
)

// Everything is the pattern that matches every symbol.
const Everything = "*"

// MaxRules bounds the list that one connection holds.
const MaxRules = 4096

// ParsePattern reads a symbol, or a pattern in which * stands for any run of
// characters ("ETH-*", "*-USD", "*"); lower case is accepted and raised.
func ParsePattern(s string) (string, error) {
	if !strings.Contains(s, "*") {
		symbol, err := ParseSymbol(s)
		return string(symbol), err
	}
	if len(s) > 2*maxPart+1 || strings.Count(s, "-") > 1 {
		return "", fmt.Errorf("%w: %q", ErrPattern, clip(s))
	}
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' && s[i] != '*' {
			return "", fmt.Errorf("%w: %q", ErrPattern, clip(s))
		}
	}
	return strings.ToUpper(s), nil
}

// ParsePatterns reads a list of patterns, all or nothing: the error names each
// one that is malformed.
func ParsePatterns(list []string) ([]string, error) {
	patterns := make([]string, 0, len(list))
	var bad []string
	for _, s := range list {
		p, err := ParsePattern(s)
		if err != nil {
			bad = append(bad, clip(s))
			continue
		}
		patterns = append(patterns, p)
	}
	if bad != nil {
		return nil, fmt.Errorf("%w: %q", ErrPattern, bad)
	}
	return patterns, nil
}

// IsPattern reports whether s stands for more than the one symbol it spells.
func IsPattern(s string) bool { return strings.Contains(s, "*") }

// Rules is the ordered list of what a connection holds, the last that matches
// decides: ["*" "!ETH-*" "ETH-USD"] is all but the ether pairs, with ETH-USD
// nevertheless. An exclusion is marked with '!'. Rules are immutable: Subscribe
// and Unsubscribe give a new list.
type Rules []string

// Match reports whether the rules let s through.
func (r Rules) Match(s Symbol) bool {
	for _, rule := range slices.Backward(r) {
		pattern, excluded := strings.CutPrefix(rule, "!")
		if Match(pattern, string(s)) {
			return !excluded
		}
	}
	return false
}

// Subscribe adds patterns, in order. Rules that an added one overrides
// altogether are dropped.
func (r Rules) Subscribe(patterns ...string) Rules {
	for _, p := range patterns {
		r = append(r.without(p), p)
	}
	return r
}

// Unsubscribe takes patterns away: it drops the rules that they undo, and adds
// an exclusion where a remaining rule would still match.
func (r Rules) Unsubscribe(patterns ...string) Rules {
	for _, p := range patterns {
		r = r.without(p)
		if slices.ContainsFunc(r, func(rule string) bool { return rule[0] != '!' && overlap(rule, p) }) {
			r = append(r, "!"+p)
		}
		if !slices.ContainsFunc(r, func(rule string) bool { return rule[0] != '!' }) {
			r = Rules{}
		}
	}
	return r
}

// without is r less the rules of which p covers every symbol; always a copy.
func (r Rules) without(p string) Rules {
	kept := make(Rules, 0, len(r)+1)
	for _, rule := range r {
		if !Match(p, strings.TrimPrefix(rule, "!")) {
			kept = append(kept, rule)
		}
	}
	return kept
}
