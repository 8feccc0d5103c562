package ticker

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"BTC-USD", "BTC-USD", true},
		{"BTC-USD", "BTC-USDT", false},
		{"BTC-USDT", "BTC-USD", false},
		{"*", "", true},
		{"*", "BTC-USD", true},
		{"", "", true},
		{"", "A", false},
		{"ETH-*", "ETH-USD", true},
		{"ETH-*", "ETH-", true},
		{"ETH-*", "WETH-USD", false},
		{"*-USD", "BTC-USD", true},
		{"*-USD", "BTC-USDT", false},
		{"*-USD", "-USD-USD", true},
		{"B*C-U*D", "BTC-USD", true},
		{"B*C-U*D", "BC-UD", true},
		{"B*C-U*D", "BTC-USDT", false},
		{"**", "A", true},
		{"*A*A*A*", "AA", false},
		{"*A*A*A*", "XAXAXAX", true},
		// A star in the name: does the pattern cover it?
		{"*", "ETH-*", true},
		{"ETH-*", "ETH-*", true},
		{"E*", "ETH-*", true},
		{"ETH-*", "E*", false},
		{"ETH-U*", "ETH-*", false},
		{"ETH-USD", "ETH-*", false},
		{"**", "*", true},
		{"*", "**", true},
	} {
		if got := Match(c.pattern, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %t", c.pattern, c.name, got)
		}
	}
}

// FuzzMatch holds Match against regexp, and its cousins against Match.
func FuzzMatch(f *testing.F) {
	for _, s := range [][3]string{
		{"ETH-*", "E*", "ETH-USD"}, {"*A*B", "A*", "AAB"}, {"*", "*", ""}, {"A*A", "A", "A"}, {"*AB*AB*", "*BA*", "ABABA"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, p, q, name string) {
		if len(p)+len(q)+len(name) > 200 || strings.Contains(name, "*") || !isASCII(p+q+name) {
			return
		}
		inP, inQ := Match(p, name), Match(q, name)
		if want := expression(p).MatchString(name); inP != want {
			t.Fatalf("Match(%q, %q) = %t", p, name, inP)
		}
		if Match(p, q) && inQ && !inP {
			t.Fatalf("%q covers %q, but %q is only in the latter", p, q, name)
		}
		if inP && inQ && !overlap(p, q) {
			t.Fatalf("overlap(%q, %q) = false, but both match %q", p, q, name)
		}
		if overlap(p, q) != overlap(q, p) {
			t.Fatalf("overlap(%q, %q) depends on the order", p, q)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// expression is pattern as a regular expression.
func expression(pattern string) *regexp.Regexp {
	return regexp.MustCompile("^(?s:" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + ")$")
}

// Over every pair of patterns of up to three characters, overlap and cover say
// exactly what an enumeration of short names says.
func TestOverlapAndCoverExhaustively(t *testing.T) {
	patterns := words("AB*", 3)
	names := words("ABC", 6) // C stands for what no pattern spells
	matches := make(map[string]map[string]bool, len(patterns))
	for _, p := range patterns {
		matches[p] = map[string]bool{}
		for _, n := range names {
			if Match(p, n) {
				matches[p][n] = true
			}
		}
	}
	for _, p := range patterns {
		for _, q := range patterns {
			common, beyond := false, false
			for n := range matches[q] {
				if matches[p][n] {
					common = true
				} else {
					beyond = true
				}
			}
			if overlap(p, q) != common {
				t.Errorf("overlap(%q, %q) = %t", p, q, !common)
			}
			if Match(p, q) == beyond {
				t.Errorf("does %q cover %q? Match says %t", p, q, beyond)
			}
		}
	}
}

// words are all words over alphabet of at most n letters.
func words(alphabet string, n int) []string {
	all := []string{""}
	for from := 0; n > 0; n-- {
		to := len(all)
		for _, w := range all[from:to] {
			for _, c := range alphabet {
				all = append(all, w+string(c))
			}
		}
		from = to
	}
	return all
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range []struct{ name, pattern, symbol string }{
		{"everything", "*", "BTC-USD"},
		{"symbol", "BTC-USD", "BTC-USD"},
		{"base", "BTC-*", "BTC-USD"},
		{"quote", "*-USD", "BTC-USD"},
		{"other", "ETH-*", "BTC-USD"},
		{"worst", "*" + strings.Repeat("A", 30) + "B*", strings.Repeat("A", 65)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Match(c.pattern, c.symbol)
			}
		})
	}
}

func BenchmarkOverlap(b *testing.B) {
	p, q := "*"+strings.Repeat("A*", 32), "*"+strings.Repeat("*B", 32)
	b.ReportAllocs()
	for b.Loop() {
		overlap(p, q)
	}
}
