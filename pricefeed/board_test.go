package pricefeed

import (
	"slices"
	"testing"

	"tickerd/ticker"
)

func price(s ticker.Symbol, p ticker.Decimal, timestamp int64) ticker.Price {
	return ticker.Price{Symbol: s, Price: p, Timestamp: timestamp}
}

// taken is the prices of which something else is said than before, in order.
func taken(b *board) (prices []ticker.Price) {
	which := b.gather(nil)
	slices.Sort(which)
	for _, s := range b.look(which, nil) {
		if s.price.Price != "" {
			prices = append(prices, s.price)
		}
	}
	return prices
}

func TestBoardGivesWhatChanged(t *testing.T) {
	b := newBoard([]ticker.Symbol{"C-USD", "A-USD", "B-USD"}, 0)
	if got := taken(b); len(got) != 0 {
		t.Errorf("an empty board gives %v", got)
	}
	b.Price(price("B-USD", "1", 10))
	b.Price(price("C-USD", "2", 10))
	b.Price(price("B-USD", "3", 10))
	b.Price(price("X-USD", "4", 10))
	want := []ticker.Price{price("C-USD", "2", 10), price("B-USD", "3", 10)}
	if got := taken(b); !slices.Equal(got, want) {
		t.Errorf("got %v, want the newest of each in the configured order: %v", got, want)
	}
	if got := taken(b); len(got) != 0 {
		t.Errorf("the second time: %v", got)
	}
}

func TestBoardWhatAChangeIs(t *testing.T) {
	for name, tt := range map[string]struct{ next, want ticker.Price }{
		"the same":                     {price("A-USD", "1.50", 10), ticker.Price{}},
		"another price":                {price("A-USD", "1.51", 10), price("A-USD", "1.51", 10)},
		"other digits":                 {price("A-USD", "1.5", 10), price("A-USD", "1.5", 10)},
		"another second":               {price("A-USD", "1.50", 11), price("A-USD", "1.50", 11)},
		"time goes back":               {price("A-USD", "1.50", 9), ticker.Price{}},
		"time goes back for a new one": {price("A-USD", "1.51", 9), price("A-USD", "1.51", 10)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard([]ticker.Symbol{"A-USD"}, 0)
			b.Price(price("A-USD", "1.50", 10))
			taken(b)
			b.Price(tt.next)
			var want []ticker.Price
			if tt.want != (ticker.Price{}) {
				want = append(want, tt.want)
			}
			if got := taken(b); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// What is known of a symbol lasts as long as it is listed.
func TestBoardLists(t *testing.T) {
	b := newBoard([]ticker.Symbol{"A-USD", "B-USD", "C-USD"}, 0)
	b.Price(price("A-USD", "1", 10))
	b.Price(price("C-USD", "3", 10))
	taken(b)
	b.list([]ticker.Symbol{"C-USD", "D-USD", "A-USD"})
	b.Price(price("B-USD", "9", 10))
	b.Price(price("D-USD", "4", 10))
	want := []ticker.Price{price("C-USD", "3", 10), price("D-USD", "4", 10), price("A-USD", "1", 10)}
	if got := taken(b); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	b.list([]ticker.Symbol{"A-USD"})
	b.list([]ticker.Symbol{"A-USD", "C-USD"})
	if got := taken(b); !slices.Equal(got, want[2:]) {
		t.Errorf("got %v, want %v", got, want[2:])
	}
}
