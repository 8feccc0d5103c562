package ticker_test

import (
	"encoding/json"
	"testing"

	"tickerd/ticker"
)

func TestCandle(t *testing.T) {
	c := ticker.Candle{Start: 60}
	if !c.Empty() {
		t.Error("not empty without a price")
	}
	for _, p := range []ticker.Decimal{"100.0", "99", "102.50", "102.5", "100"} {
		c.Add(p)
	}
	if got, want := string(c.AppendJSON(nil)), "[60,100.0,102.50,99,100]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCandleMerge(t *testing.T) {
	for _, tt := range []struct{ name, earlier, later, want string }{
		{"both", "[60,5,7,4,6]", "[90,6,8,5,5]", "[60,5,8,4,5]"},
		{"lower", "[60,5,7,4,6]", "[90,6,6,3,5]", "[60,5,7,3,5]"},
		{"same", "[60,5,7,4,6]", "[60,5,7,4,6]", "[60,5,7,4,6]"},
		{"into nothing", "", "[90,6,8,5,5]", "[60,6,8,5,5]"},
		{"nothing", "[60,5,7,4,6]", "", "[60,5,7,4,6]"},
	} {
		c := candle(t, tt.earlier)
		c.Start = 60
		c.Merge(candle(t, tt.later))
		if got := string(c.AppendJSON(nil)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// candle reads what AppendJSON writes.
func candle(t *testing.T, text string) (c ticker.Candle) {
	t.Helper()
	if text == "" {
		return c
	}
	var numbers []json.Number
	if err := json.Unmarshal([]byte(text), &numbers); err != nil || len(numbers) != 5 {
		t.Fatalf("%s: %v", text, err)
	}
	c.Start, _ = numbers[0].Int64()
	for i, p := range []*ticker.Decimal{&c.Open, &c.High, &c.Low, &c.Close} {
		*p = ticker.Decimal(numbers[i+1])
	}
	return c
}

func BenchmarkCandleAdd(b *testing.B) {
	prices := []ticker.Decimal{"42000.12", "42010.55", "41990.00", "42000.13"}
	c := ticker.Candle{}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		c.Add(prices[i%len(prices)])
		i++
	}
}
