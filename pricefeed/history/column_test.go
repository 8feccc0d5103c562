package history

import (
	"slices"
	"testing"

	"tickerd/ticker"
)

func FuzzReadColumn(f *testing.F) {
	in := intervals[minute]
	good := newColumn(in, []ticker.Candle{
		{Start: 0, Open: "42000.12", High: "42010.55", Low: "41990.00", Close: "42001"},
		{Start: 60, Open: "42001", High: "42001", Low: "0.00000001", Close: "0.00000002"},
		{Start: 60 * (blockLength - 1), Open: "123456789012345678901", High: "123456789012345678901", Low: "1.5", Close: "1.6"},
	})
	f.Add(good.data)
	f.Add(good.data[:len(good.data)-3])
	f.Add([]byte{columnFormat, 1, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		candles, err := readColumn(data, in, 0)
		for n, c := range candles {
			if c.Start != in.floor(c.Start) || c.Start < 0 || c.Start >= in.begin(1) || n > 0 && c.Start <= candles[n-1].Start {
				t.Fatalf("%d: starts at %d", n, c.Start)
			}
			for _, p := range []ticker.Decimal{c.Open, c.High, c.Low, c.Close} {
				if !isDecimal([]byte(p)) {
					t.Fatalf("%q is no price", p)
				}
			}
		}
		again, err2 := readColumn(newColumn(in, candles).data, in, 0)
		if len(candles) > 0 && (err2 != nil || !slices.Equal(again, candles)) {
			t.Fatalf("%v (%v) are written as %v (%v)", candles, err, again, err2)
		}
	})
}

func FuzzReadRow(f *testing.F) {
	symbols := []ticker.Symbol{"BTC-USD", "ETH-USD"}
	r := new(row)
	r.reset(60)
	*r.at(0) = ticker.Candle{Start: 60, Open: "1", High: "1.5", Low: "0.5", Close: "1.0"}
	*r.at(1) = ticker.Candle{Start: 60, Open: "7", High: "7", Low: "7", Close: "7"}
	r.touched = []int{0, 1}
	good := r.encode(symbols)[0]
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte{rowFormat, 120, 200, 200, 200})
	f.Fuzz(func(t *testing.T, data []byte) {
		symbols, candles, err := readRow(data, intervals[minute])
		if len(symbols) != len(candles) {
			t.Fatalf("%d symbols, %d candles (%v)", len(symbols), len(candles), err)
		}
		for n, s := range symbols {
			if again, err := ticker.ParseSymbol(string(s)); err != nil || again != s {
				t.Fatalf("%q is no symbol", s)
			}
			if candles[n].Start != intervals[minute].floor(candles[n].Start) || candles[n].Empty() {
				t.Fatalf("%v is no candle", candles[n])
			}
		}
	})
}

// Of a block that was cut off, what is left is as it was.
func TestReadColumnCutOff(t *testing.T) {
	in := intervals[minute]
	candles := []ticker.Candle{
		{Start: 0, Open: "42000.12", High: "42010.55", Low: "41990.00", Close: "42001.00"},
		{Start: 60, Open: "42001.00", High: "42001.00", Low: "40000.00", Close: "41000.00"},
	}
	data := newColumn(in, candles).data
	for n := range data {
		got, _ := readColumn(data[:n], in, 0)
		if len(got) >= len(candles) || !slices.Equal(got, candles[:len(got)]) {
			t.Errorf("%d of %d bytes: got %v", n, len(data), got)
		}
	}
}

// A candle that comes late goes where it belongs.
func TestColumnAdd(t *testing.T) {
	at := func(start int64, p ticker.Decimal) ticker.Candle {
		return ticker.Candle{Start: start, Open: p, High: p, Low: p, Close: p}
	}
	var c column
	for _, candle := range []ticker.Candle{at(120, "3"), at(0, "1"), at(60, "2"), at(120, "4"), at(180, "5")} {
		c.add(intervals[minute], candle)
	}
	got, err := readColumn(c.data, intervals[minute], 0)
	want := []ticker.Candle{at(0, "1"), at(60, "2"), {Start: 120, Open: "3", High: "4", Low: "3", Close: "4"}, at(180, "5")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

func TestFloor(t *testing.T) {
	for _, tt := range [][2]int64{{0, 0}, {59, 0}, {60, 60}, {-1, -60}, {-60, -60}} {
		if got := intervals[minute].floor(tt[0]); got != tt[1] {
			t.Errorf("floor(%d) = %d, want %d", tt[0], got, tt[1])
		}
	}
	if got := intervals[second].block(-1); got != -1 {
		t.Errorf("block(-1) = %d", got)
	}
}

func TestIsDecimal(t *testing.T) {
	for text, want := range map[string]bool{
		"1": true, "0.50": true, "0": true, "-1.5": true, "123456789012345678901.5": true,
		"": false, ".5": false, "5.": false, "01": false, "1.2.3": false, "1e5": false, "x": false, "00.1": false,
	} {
		if got := isDecimal([]byte(text)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
