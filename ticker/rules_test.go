package ticker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestParsePattern(t *testing.T) {
	long := strings.Repeat("A", 32)
	for in, want := range map[string]string{
		"BTC-USD":          "BTC-USD",
		"btc-usd":          "BTC-USD",
		"*":                "*",
		"eth-*":            "ETH-*",
		"*-usd":            "*-USD",
		"*t*-*":            "*T*-*",
		"B*":               "B*",
		long + "-" + long:  long + "-" + long,
		long + "*" + long:  long + "*" + long,
		long + "*-" + long: "",
		"":                 "",
		"BTC":              "",
		"BTC-USD-*":        "",
		"!BTC-USD":         "",
		"!*":               "",
		"BTC-?":            "",
		"B.*":              "",
		"* ":               "",
		"\xff*":            "",
		"*A*B*C":           "*A*B*C",
		"*A*B*C*D*":        "",
	} {
		got, err := ParsePattern(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParsePattern(%q) = %q, %v; want %q", in, got, err, want)
		}
		if err != nil && !errors.Is(err, ErrPattern) && !errors.Is(err, ErrSymbol) {
			t.Errorf("ParsePattern(%q): %v", in, err)
		}
	}
}

func TestParsePatterns(t *testing.T) {
	got, err := ParsePatterns([]string{"btc-usd", "ETH-*"})
	if err != nil || !slices.Equal(got, []string{"BTC-USD", "ETH-*"}) {
		t.Errorf("got %q, %v", got, err)
	}
	got, err = ParsePatterns([]string{"BTC", "ETH-*", "x y-*"})
	if got != nil || !errors.Is(err, ErrPattern) || !strings.Contains(err.Error(), `["BTC" "x y-*"]`) {
		t.Errorf("got %q, %v", got, err)
	}
}

// A transcript of what a connection holds: "+" subscribes, "-" unsubscribes.
func TestRules(t *testing.T) {
	for _, c := range []struct{ steps, want string }{
		{"+BTC-USD", "BTC-USD"},
		{"+BTC-USD +ETH-USD", "BTC-USD ETH-USD"},
		{"+BTC-USD +ETH-USD +BTC-USD", "ETH-USD BTC-USD"},
		{"+BTC-USD,BTC-USD", "BTC-USD"},
		{"+BTC-USD,ETH-* +*", "*"},
		{"+* +BTC-USD", "* BTC-USD"},
		{"+* -BTC-USD", "* !BTC-USD"},
		{"+* -BTC-USD -BTC-USD", "* !BTC-USD"},
		{"+* -BTC-USD +BTC-USD", "* BTC-USD"},
		{"+* -ETH-* +ETH-USD", "* !ETH-* ETH-USD"},
		{"+* -ETH-* +ETH-USD -ETH-*", "* !ETH-*"},
		{"+* -ETH-* +ETH-*", "* ETH-*"},
		{"+* -ETH-USD -ETH-*", "* !ETH-*"},
		{"+* -BTC-USD,ETH-* -*", ""},
		{"+* -*-*", "* !*-*"},
		{"+BTC-* -*-USD", "BTC-* !*-USD"},
		{"+BTC-* -*-USD -BTC-*", ""},
		{"+BTC-* -ETH-*", "BTC-*"},
		{"+BTC-USD -ETH-USD", "BTC-USD"},
		{"+BTC-USD -BTC-*", ""},
		{"+BTC-USD -*-USD", ""},
		{"+BTC-USD,ETH-USD -*-USD +ETH-USD", "ETH-USD"},
		{"+BTC-*,ETH-* -BTC-USD,ETH-USD", "BTC-* ETH-* !BTC-USD !ETH-USD"},
		{"+* -BTC-USD,BTC-USD", "* !BTC-USD"},
		{"+* -BTC-*,BTC-USD", "* !BTC-* !BTC-USD"},
		{"+* -BTC-USD,BTC-*", "* !BTC-*"},
		{"+SOL-USD,E* -*T*-*", "SOL-USD E* !*T*-*"},
		{"+SOL-USD,E* -*T*-* -*E*", "SOL-USD"},
		{"+E* -*-USD +E*", "E*"},
		{"-BTC-USD", ""},
		{"-*", ""},
	} {
		rules := Rules{}
		for step := range strings.FieldsSeq(c.steps) {
			patterns := strings.Split(step[1:], ",")
			if step[0] == '+' {
				rules = rules.Subscribe(patterns...)
			} else {
				rules = rules.Unsubscribe(patterns...)
			}
		}
		if got := strings.Join(rules, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.steps, got, c.want)
		}
	}
}

func TestRulesMatch(t *testing.T) {
	rules := Rules{"*", "!ETH-*", "ETH-USD"}
	for symbol, want := range map[Symbol]bool{"BTC-USD": true, "ETH-EUR": false, "ETH-USD": true} {
		if rules.Match(symbol) != want {
			t.Errorf("%q.Match(%s) = %t", rules, symbol, !want)
		}
	}
	if (Rules{}).Match("BTC-USD") || Rules(nil).Match("BTC-USD") {
		t.Error("no rules match")
	}
}

// Two lists that grew from one do not write into each other.
func TestRulesAreImmutable(t *testing.T) {
	base := make(Rules, 0, 8).Subscribe("BTC-USD", "ETH-USD")
	a, b := base.Subscribe("A-A"), base.Subscribe("B-B")
	c, d := base.Subscribe("*").Unsubscribe("C-C"), base.Unsubscribe("BTC-USD")
	for i, c := range []struct {
		got  Rules
		want string
	}{
		{base, "BTC-USD ETH-USD"}, {a, "BTC-USD ETH-USD A-A"}, {b, "BTC-USD ETH-USD B-B"}, {c, "* !C-C"}, {d, "ETH-USD"},
	} {
		if got := strings.Join(c.got, " "); got != c.want {
			t.Errorf("%d: %q, want %q", i, got, c.want)
		}
	}
}

// FuzzRules holds Rules against a model that knows a universe of symbols and
// keeps, for each, whether it is subscribed.
func FuzzRules(f *testing.F) {
	f.Add("+* -A-X,B* +A-X")
	f.Add("+A*,*-X -*-X +AB-X,AB-X -A-* -*")
	f.Add("+A-X +B-X,*Y -AB-* +* -*A*-* +*-*")
	f.Add("-*-* +*-* -*")
	universe := symbolsOf("ABC", "XYZ")
	f.Fuzz(func(t *testing.T, steps string) {
		rules, model := Rules{}, map[Symbol]bool{}
		for step := range strings.FieldsSeq(steps) {
			patterns, err := ParsePatterns(strings.Split(step[1:], ","))
			if err != nil {
				return
			}
			before := strings.Join(rules, " ")
			after := rules.Unsubscribe(patterns...)
			if step[0] == '+' {
				after = rules.Subscribe(patterns...)
			}
			if strings.Join(rules, " ") != before {
				t.Fatalf("%s: %s wrote into the rules before", steps, step)
			}
			rules = after
			for _, p := range patterns {
				e := expression(p)
				for _, s := range universe {
					if e.MatchString(string(s)) {
						model[s] = step[0] == '+'
					}
				}
			}
			for _, s := range universe {
				if rules.Match(s) != model[s] {
					t.Fatalf("%s: after %s, %q.Match(%s) = %t", steps, step, rules, s, !model[s])
				}
			}
			checkLean(t, rules)
		}
	})
}

// checkLean fails when a rule is overridden altogether by a later one, or
// excludes nothing.
func checkLean(t *testing.T, rules Rules) {
	t.Helper()
	for i, rule := range rules {
		if pattern, excluded := strings.CutPrefix(rule, "!"); excluded {
			if !slices.ContainsFunc(rules[:i], func(p string) bool { return overlap(p, pattern) }) {
				t.Fatalf("%q: %s excludes nothing", rules, rule)
			}
		}
		for _, later := range rules[i+1:] {
			if Match(strings.TrimPrefix(later, "!"), strings.TrimPrefix(rule, "!")) {
				t.Fatalf("%q: %s overrides %s", rules, later, rule)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	list := func(n int, format string) Rules {
		r := make(Rules, n)
		for i := range r {
			r[i] = fmt.Sprintf(format, i)
		}
		return r
	}
	for _, c := range []struct {
		rules Rules
		ok    bool
	}{
		{nil, true},
		{list(MaxRules, "COIN%d-USD"), true},
		{list(MaxRules+1, "COIN%d-USD"), false},
		{list(MaxPatterns, "!COIN%d-*"), true},
		{list(MaxPatterns+1, "!COIN%d-*"), false},
		{append(list(MaxPatterns, "COIN%d-*"), list(MaxRules-MaxPatterns, "COIN%d-USD")...), true},
	} {
		if err := c.rules.Check(); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrRules) {
			t.Errorf("%d rules: %v", len(c.rules), err)
		}
	}
}

// symbolsOf are the symbols whose halves are one or two of the letters.
func symbolsOf(base, quote string) []Symbol {
	var all []Symbol
	for _, b := range words(base, 2)[1:] {
		for _, q := range words(quote, 2)[1:] {
			all = append(all, Symbol(b+"-"+q))
		}
	}
	return all
}

// What a request may cost whoever handles it, at worst: as much as a frame holds,
// on top of as much as a connection may hold.
func BenchmarkRules(b *testing.B) {
	list := func(n int, format string) Rules {
		r := make(Rules, n)
		for i := range r {
			r[i] = fmt.Sprintf(format, i)
		}
		return r
	}
	symbols := list(MaxRules, "COIN%d-USD")
	patterns := list(MaxPatterns, "%X*A")
	long := list(MaxPatterns, "*"+strings.Repeat("A", 31)+"B%X")
	both := append(list(MaxPatterns, "%X*B"), symbols[MaxPatterns:]...)
	for _, c := range []struct {
		name string
		run  func() Rules
	}{
		{"subscribe/symbols", func() Rules { return Rules{}.Subscribe(symbols...) }},
		{"subscribe/patterns", func() Rules { return both.Subscribe(patterns...) }},
		{"subscribe/long", func() Rules { return list(MaxPatterns, strings.Repeat("A", 60)+"*%X").Subscribe(long...) }},
		{"unsubscribe/symbols", func() Rules { return both.Unsubscribe(symbols...) }},
		{"unsubscribe/patterns", func() Rules { return both.Unsubscribe(patterns...) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.run()
			}
		})
	}
}

// TestMatcher holds that a matcher decides as its rules do.
func TestMatcher(t *testing.T) {
	names := []string{"A-B", "A-C", "B-C", "AB-C", "B-A"}
	patterns := append([]string{"*", "A*", "*-C", "B-*", "*B*"}, names...)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var r Rules
		for range rng.IntN(7) {
			rule := patterns[rng.IntN(len(patterns))]
			if rng.IntN(3) == 0 {
				rule = "!" + rule
			}
			r = append(r, rule)
		}
		match := r.Matcher()
		for _, name := range names {
			if got, want := match(Symbol(name)), r.Match(Symbol(name)); got != want {
				t.Fatalf("%q: %s is %v, want %v", r, name, got, want)
			}
		}
	}
}
