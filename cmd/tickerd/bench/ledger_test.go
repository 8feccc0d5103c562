package bench

import (
	"slices"
	"testing"
)

func TestPublished(t *testing.T) {
	type step struct{ before, seq uint64 }
	for name, tt := range map[string]struct {
		steps       []step
		first, last uint64
		want        uint64
	}{
		"nothing":                         {nil, 10, 10, 0},
		"one after another":               {[]step{{10, 11}, {11, 12}, {12, 13}}, 10, 13, 3},
		"some before the window":          {[]step{{8, 9}, {9, 10}, {10, 11}}, 9, 11, 2},
		"some after it":                   {[]step{{9, 10}, {10, 11}, {11, 12}}, 9, 11, 2},
		"numbers that were passed over":   {[]step{{10, 15}, {15, 20}}, 10, 20, 2},
		"a snapshot for some":             {[]step{{10, 11}, {20, 21}}, 10, 21, 11},
		"one that nobody came to":         {[]step{{10, 11}, {13, 15}}, 10, 15, 4},
		"another knows better":            {[]step{{10, 11}, {20, 21}, {11, 21}}, 10, 21, 2},
		"another has them":                {[]step{{10, 11}, {13, 14}, {11, 12}, {12, 13}, {13, 14}}, 10, 14, 4},
		"a snapshot at the end":           {[]step{{10, 11}}, 10, 15, 5},
		"passed over beyond the end":      {[]step{{10, 11}, {11, 20}}, 10, 15, 1},
		"a snapshot and beyond the end":   {[]step{{10, 11}, {13, 20}}, 10, 15, 3},
		"over the edges of pages":         {[]step{{1023, 1024}, {1024, 1025}, {5000, 5001}}, 1023, 5001, 3978},
		"further than a page can tell of": {[]step{{0, 1 << 40}}, 0, 1 << 40, 1<<40 - 1<<32 + 2},
	} {
		// Spread over several ledgers, in any order, they tell the same.
		var one, odd, even, sum ledger
		for i, s := range slices.Backward(tt.steps) {
			one.mark(s.seq, s.before)
			[]*ledger{&odd, &even}[i%2].mark(s.seq, s.before)
		}
		sum.add(&odd)
		sum.add(&even)
		if got := one.published(tt.first, tt.last); got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
		if got := sum.published(tt.first, tt.last); got != tt.want {
			t.Errorf("%s, added up: got %d, want %d", name, got, tt.want)
		}
	}
}
