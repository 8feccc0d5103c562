package ticker

import (
	"fmt"
	"slices"
	"strings"
)

// Everything is the pattern that matches every symbol.
const Everything = "*"

// What one connection may hold: so many rules, and so many of them patterns,
// which are compared with every rule where a symbol is only looked up.
const (
	MaxRules    = 4096
	MaxPatterns = 32

	maxStars = 4 // of one pattern
)

// ParsePattern reads a symbol, or a pattern in which * stands for any run of
// characters ("ETH-*", "*-USD", "*"); lower case is accepted and raised.
func ParsePattern(s string) (string, error) {
	if !strings.Contains(s, "*") {
		symbol, err := ParseSymbol(s)
		return string(symbol), err
	}
	if len(s) > 2*maxPart+1 || strings.Count(s, "-") > 1 || strings.Count(s, "*") > maxStars {
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

// Matcher gives a faster Match for many symbols: the rules that name one symbol
// are looked up.
func (r Rules) Matcher() func(Symbol) bool {
	last := make(map[string]int) // of the rules that name a symbol, where the last one stands
	var patterns []int
	for i, rule := range r {
		if name := strings.TrimPrefix(rule, "!"); IsPattern(name) {
			patterns = append(patterns, i)
		} else {
			last[name] = i
		}
	}
	return func(s Symbol) bool {
		decides, named := last[string(s)]
		for _, i := range slices.Backward(patterns) {
			if named && i < decides {
				break
			}
			if Match(strings.TrimPrefix(r[i], "!"), string(s)) {
				decides, named = i, true
				break
			}
		}
		return named && r[decides][0] != '!'
	}
}

// Check reports whether the rules are more than one connection may hold.
func (r Rules) Check() error {
	if len(r) > MaxRules {
		return fmt.Errorf("%w: %d, at most %d can be held", ErrRules, len(r), MaxRules)
	}
	patterns := 0
	for _, rule := range r {
		if IsPattern(rule) {
			patterns++
		}
	}
	if patterns > MaxPatterns {
		return fmt.Errorf("%w: %d with a star, at most %d can be held", ErrRules, patterns, MaxPatterns)
	}
	return nil
}

// Subscribe adds patterns, in order. Rules that an added one overrides
// altogether are dropped.
func (r Rules) Subscribe(patterns ...string) Rules {
	return append(r.without(patterns), lean(patterns)...).tidy()
}

// Unsubscribe takes patterns away: it drops the rules that they undo, and adds
// an exclusion where a remaining rule would still match.
func (r Rules) Unsubscribe(patterns ...string) Rules {
	r = r.without(patterns)
	for _, p := range lean(patterns) {
		r = append(r, "!"+p)
	}
	return r.tidy()
}

// tidy drops the exclusions, of this very list, that exclude nothing: those which
// no pattern before them meets. Symbols need not be looked at, for an exclusion
// has dropped those that it covers.
func (r Rules) tidy() Rules {
	var before []string
	return slices.DeleteFunc(r, func(rule string) bool {
		pattern, excluded := strings.CutPrefix(rule, "!")
		if !excluded && IsPattern(rule) {
			before = append(before, rule)
		}
		return excluded && !slices.ContainsFunc(before, func(p string) bool { return overlap(p, pattern) })
	})
}

// without is r less the rules that patterns cover; always a copy, with room for
// as many more.
func (r Rules) without(patterns []string) Rules {
	var covered cover
	for _, p := range patterns {
		covered.add(p)
	}
	kept := make(Rules, 0, len(r)+len(patterns))
	for _, rule := range r {
		if !covered.has(strings.TrimPrefix(rule, "!")) {
			kept = append(kept, rule)
		}
	}
	return kept
}

// lean is patterns less those that a later one covers.
func lean(patterns []string) []string {
	var later cover
	kept := make([]string, 0, len(patterns))
	for _, p := range slices.Backward(patterns) {
		if !later.has(p) {
			later.add(p)
			kept = append(kept, p)
		}
	}
	slices.Reverse(kept)
	return kept
}

// A cover is a set of patterns. A list of thousands of symbols is told from
// another in one look-up each.
type cover struct {
	symbols  map[string]struct{}
	patterns []string
}

func (c *cover) add(p string) {
	if IsPattern(p) {
		c.patterns = append(c.patterns, p)
		return
	}
	if c.symbols == nil {
		c.symbols = make(map[string]struct{})
	}
	c.symbols[p] = struct{}{}
}

// has reports whether one of c covers p.
func (c *cover) has(p string) bool {
	if _, ok := c.symbols[p]; ok {
		return true
	}
	return slices.ContainsFunc(c.patterns, func(q string) bool { return Match(q, p) })
}
