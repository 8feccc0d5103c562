package coinbase

import (
	"testing"
	"time"

	"tickerd/ticker"
)

func TestMarketPrice(t *testing.T) {
	now := time.Unix(1_790_000_000, 5)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	// Before each, in an earlier connection, a ticker was taken that was five
	// seconds old.
	for name, tt := range map[string]struct {
		frames []Frame
		want   int64 // the timestamp of the last frame's price, relative to now; refused: not taken
	}{
		"newer":                        {[]Frame{{Sequence: 7, Time: at(-2 * time.Second)}}, -2},
		"lower sequence, newer time":   {[]Frame{{Sequence: 1, Time: at(-2 * time.Second)}}, -2},
		"the same once more":           {[]Frame{{Sequence: 9, Time: at(-5 * time.Second)}}, -5},
		"older":                        {[]Frame{{Sequence: 10, Time: at(-6 * time.Second)}}, refused},
		"without time":                 {[]Frame{{Sequence: 10}}, 0},
		"without anything":             {[]Frame{{}}, 0},
		"a little ahead":               {[]Frame{{Sequence: 10, Time: at(30 * time.Second)}}, 30},
		"far ahead":                    {[]Frame{{Sequence: 10, Time: at(2 * time.Minute)}}, 0},
		"before all time":              {[]Frame{{Sequence: 10, Time: time.Unix(-1, 0)}}, 0},
		"sequence goes on":             {[]Frame{{Sequence: 7}, {Sequence: 8}}, 0},
		"sequence repeats":             {[]Frame{{Sequence: 7}, {Sequence: 7}}, refused},
		"sequence goes back":           {[]Frame{{Sequence: 7}, {Sequence: 6}}, refused},
		"sequence goes on after old":   {[]Frame{{Sequence: 7, Time: at(-6 * time.Second)}, {Sequence: 8, Time: at(-6 * time.Second)}}, -6},
		"sequence counts, not time":    {[]Frame{{Sequence: 7, Time: at(-2 * time.Second)}, {Sequence: 8, Time: at(-3 * time.Second)}}, -3},
		"no sequence, newer":           {[]Frame{{Time: at(-2 * time.Second)}, {Time: at(-1 * time.Second)}}, -1},
		"no sequence, older":           {[]Frame{{Time: at(-2 * time.Second)}, {Time: at(-3 * time.Second)}}, refused},
		"sequence ends, older":         {[]Frame{{Sequence: 7, Time: at(-2 * time.Second)}, {Time: at(-3 * time.Second)}}, refused},
		"far ahead holds nothing back": {[]Frame{{Time: at(2 * time.Minute)}, {Time: at(-1 * time.Second)}}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			m := &market{symbol: "BTC-USD"}
			if _, newer := m.price(Frame{Sequence: 9, Price: "1", Time: at(-5 * time.Second)}, now); !newer {
				t.Fatal("the first is not taken")
			}
			m.reconnected()
			var p ticker.Price
			var newer bool
			for _, f := range tt.frames {
				f.Price = "2.50"
				p, newer = m.price(f, now)
			}
			switch {
			case newer != (tt.want != refused):
				t.Errorf("newer: %v", newer)
			case newer && p != ticker.Price{Symbol: "BTC-USD", Price: "2.50", Timestamp: now.Unix() + tt.want}:
				t.Errorf("got %v, want the timestamp now%+d", p, tt.want)
			}
		})
	}
}

// refused is no time relative to now.
const refused = 1 << 40
