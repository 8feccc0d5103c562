package exchange

import (
	"testing"
	"time"
)

func TestMarket(t *testing.T) {
	now := time.Unix(1_790_000_000, 5)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	// Before each, in an earlier connection, a trade was taken that was five
	// seconds old.
	for name, tt := range map[string]struct {
		trades []Trade
		want   int64 // the timestamp of the last trade's, relative to now; refused: not taken
	}{
		"newer":                        {[]Trade{{Sequence: 7, Time: at(-2 * time.Second)}}, -2},
		"lower sequence, newer time":   {[]Trade{{Sequence: 1, Time: at(-2 * time.Second)}}, -2},
		"the same once more":           {[]Trade{{Sequence: 9, Time: at(-5 * time.Second)}}, -5},
		"older":                        {[]Trade{{Sequence: 10, Time: at(-6 * time.Second)}}, refused},
		"without time":                 {[]Trade{{Sequence: 10}}, 0},
		"without anything":             {[]Trade{{}}, 0},
		"a little ahead":               {[]Trade{{Sequence: 10, Time: at(30 * time.Second)}}, 30},
		"far ahead":                    {[]Trade{{Sequence: 10, Time: at(2 * time.Minute)}}, 0},
		"ahead holds nothing back":     {[]Trade{{Time: at(30 * time.Second)}, {Time: at(0)}}, 0},
		"before all time":              {[]Trade{{Sequence: 10, Time: time.Unix(-1, 0)}}, 0},
		"sequence goes on":             {[]Trade{{Sequence: 7}, {Sequence: 8}}, 0},
		"sequence repeats":             {[]Trade{{Sequence: 7}, {Sequence: 7}}, refused},
		"sequence goes back":           {[]Trade{{Sequence: 7}, {Sequence: 6}}, refused},
		"sequence goes on after old":   {[]Trade{{Sequence: 7, Time: at(-6 * time.Second)}, {Sequence: 8, Time: at(-6 * time.Second)}}, -6},
		"sequence counts, not time":    {[]Trade{{Sequence: 7, Time: at(-2 * time.Second)}, {Sequence: 8, Time: at(-3 * time.Second)}}, -3},
		"no sequence, newer":           {[]Trade{{Time: at(-2 * time.Second)}, {Time: at(-1 * time.Second)}}, -1},
		"no sequence, older":           {[]Trade{{Time: at(-2 * time.Second)}, {Time: at(-3 * time.Second)}}, refused},
		"sequence ends, older":         {[]Trade{{Sequence: 7, Time: at(-2 * time.Second)}, {Time: at(-3 * time.Second)}}, refused},
		"far ahead holds nothing back": {[]Trade{{Time: at(2 * time.Minute)}, {Time: at(-1 * time.Second)}}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			m := &market{}
			if _, newer := m.take(Trade{Sequence: 9, Time: at(-5 * time.Second)}, now); !newer {
				t.Fatal("the first is not taken")
			}
			m.reconnected()
			var timestamp int64
			var newer bool
			for _, trade := range tt.trades {
				timestamp, newer = m.take(trade, now)
			}
			switch {
			case newer != (tt.want != refused):
				t.Errorf("newer: %v", newer)
			case newer && timestamp != now.Unix()+tt.want:
				t.Errorf("got now%+d, want now%+d", timestamp-now.Unix(), tt.want)
			}
		})
	}
}

// refused is no time relative to now.
const refused = 1 << 40
