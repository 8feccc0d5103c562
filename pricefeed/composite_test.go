package pricefeed

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tickerd/ticker"
)

// says reads "live 100.5, stale 99, down -": what each source says of A-USD.
func says(t *testing.T, text string) (each []said) {
	t.Helper()
	for i, one := range strings.Split(text, ", ") {
		state, digits, ok := strings.Cut(one, " ")
		if !ok {
			t.Fatalf("%q", one)
		}
		s := said{state: state}
		if digits != "-" {
			s.price = price("A-USD", ticker.Decimal(digits), int64(10+i))
		}
		each = append(each, s)
	}
	return each
}

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		each string
		was  sources
		want string // state, price, from, outliers
	}{
		// One source is all there is to believe.
		{"live 100", 0, "live 100 1 0"},
		{"stale 100", 0, "stale 100 1 0"},

		// The median of those that are live.
		{"live 100, live 102, live 101", 0, "live 101 111 0"},
		{"live 100, live 102, stale 101", 0, "live 101 11 0"},
		{"live 100.00, live 100.01, down -", 0, "live 100.005 11 0"},
		{"down -, live 100.10000, stale 7", 0, "live 100.10000 10 0"},
		{"live -, live 100, live -", 0, "live 100 10 0"},
		{"live 1.10, live 1.1, live 1.100", 0, "live 1.1 111 0"},
		{"live 37.58, live 37.59000000, live 37.5900", 0, "live 37.59 111 0"},
		{"live 37.58, live 37.57000000, live 37.6000", 0, "live 37.58 111 0"},
		{"live 37.50, live 37.60000000, down -", 0, "live 37.55 11 0"},
		{"live 37, live 39.00000000, down -", 0, "live 38 11 0"},
		{"live 40.00, live 40.00000000, down -", 0, "live 40.00 11 0"},
		{"live 0.00000012, live 0.00000013, live 0.000000125", 0, "live 0.000000125 111 0"},

		// Nobody is.
		{"live -, down -, stale 1", 0, "live - 0 0"},
		{"down 1, stale 1, down 1", 0, "stale - 0 0"},
		{"down 1, down -, down 1", 0, "down - 0 0"},

		// One is far from the others.
		{"live 100, live 101, live 500", 0, "live 100.5 11 100"},
		{"live 100, live 0.01, live 101", 0, "live 100.5 101 10"},
		{"live 100, live 104.9, live 95.1", 0, "live 100 111 0"},
		{"live 100, live 105, live 95", 0, "live 100 111 0"},
		{"live 100, live 105.1, live 94.9", 0, "live 100 1 110"},
		{"live 99, live 100, live 101, live 900, live 1000", 0, "live 100 111 11000"},

		// Who was left out has to come nearer to count again.
		{"live 100, live 101, live 104", 0b100, "live 100.5 11 100"},
		{"live 100, live 101, live 102", 0b100, "live 101 111 0"},

		// Nobody can tell which of two is right.
		{"live 100, live 500, down -", 0, "stale - 0 11"},
		{"live 100, live 500, stale 100", 0, "stale - 0 11"},
		{"live 100, live 103, down -", 0b11, "live 101.5 11 0"},
		{"live 100, live 106, down -", 0b11, "stale - 0 11"},
	} {
		v := judge(says(t, tt.each), 0.05, tt.was)
		digits := v.price.Price
		if digits == "" {
			digits = "-"
		}
		if got := fmt.Sprintf("%s %s %b %b", v.state, digits, v.from, v.outliers); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.each, got, tt.want)
		}
	}
}

func TestJudgeTimestamp(t *testing.T) {
	if v := judge(says(t, "live 100, live 101, live 500"), 0.05, 0); v.price.Timestamp != 11 {
		t.Errorf("got %d, want the newest of those that count", v.price.Timestamp)
	}
}

// A price is what an exact calculation gives, whatever the digits.
func TestJudgeExactly(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		var each []said
		var exact []*big.Rat
		for range 2 + random.IntN(4) {
			places := random.IntN(6)
			digits := fmt.Sprintf("%.*f", places, 1000+random.Float64())
			each = append(each, said{price: price("A-USD", ticker.Decimal(digits), 1), state: live})
			n, _ := new(big.Rat).SetString(digits)
			exact = append(exact, n)
		}
		slices.SortFunc(exact, (*big.Rat).Cmp)
		want := exact[len(exact)/2]
		if len(exact)%2 == 0 {
			want = new(big.Rat).Quo(new(big.Rat).Add(want, exact[len(exact)/2-1]), big.NewRat(2, 1))
		}
		got := judge(each, 0.05, 0).price.Price
		if n, ok := new(big.Rat).SetString(string(got)); !ok || n.Cmp(want) != 0 {
			t.Fatalf("of %v: got %s, want %s", each, got, want.FloatString(8))
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	for _, count := range []int{1, 2, 3} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			var each []said
			for i := range count {
				each = append(each, said{price: price("A-USD", ticker.Decimal(fmt.Sprintf("84737.5%d", i)), 1), state: live})
			}
			b.ReportAllocs()
			for b.Loop() {
				judge(each, 0.05, 0)
			}
		})
	}
}
