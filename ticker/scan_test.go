package ticker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"tickerd/ticker"
)

const (
	btc = `{"symbol":"BTC-USD","price":42000.12,"timestamp":1700000000}`
	eth = `{"symbol":"ETH-USD","price":2500,"timestamp":0}`
)

// tickOf is a tick with the given elements, in the canonical writing.
func tickOf(elements ...string) string {
	return `{"type":"ticker","seq":173,"ts":1700000000123456,"data":[` + strings.Join(elements, ",") + `]}`
}

func TestScan(t *testing.T) {
	for name, msg := range map[string]string{
		"none": tickOf(),
		"one":  tickOf(btc),
		"two":  tickOf(btc, eth),

		// The same meaning in another writing.
		"blanks":         ` { "type" : "ticker", "seq": 173, "ts": 1700000000123456, "data": [ ` + btc + ` ,` + eth + `] } `,
		"order":          `{"data":[` + btc + `],"ts":1700000000123456,"seq":173,"type":"ticker"}`,
		"more fields":    `{"type":"ticker","seq":173,"ts":1700000000123456,"data":[` + btc + `],"node":"a"}`,
		"element order":  tickOf(`{"timestamp":1,"price":1,"symbol":"A-B"}`),
		"element more":   tickOf(`{"symbol":"A-B","price":1,"timestamp":1,"volume":5}`),
		"exponent":       tickOf(`{"symbol":"A-B","price":1e2,"timestamp":1}`),
		"escaped symbol": tickOf(`{"symbol":"\u0041-B","price":1,"timestamp":1}`),
		"long timestamp": tickOf(`{"symbol":"A-B","price":1,"timestamp":-9223372036854775808}`),
	} {
		t.Run(name, func(t *testing.T) {
			var got ticker.Scanned
			if err := ticker.Scan([]byte(msg), &got); err != nil {
				t.Fatal(err)
			}
			checkScanned(t, []byte(msg), &got)
			if got.Seq != 173 || got.TS != 1700000000123456 {
				t.Errorf("seq %d, ts %d", got.Seq, got.TS)
			}
		})
	}
}

func TestScanRefuses(t *testing.T) {
	for name, msg := range map[string]string{
		"empty":               "",
		"not JSON":            "hello",
		"not an object":       "[]",
		"another type":        `{"type":"status","seq":1,"ts":1,"data":[]}`,
		"no type":             `{"seq":1,"ts":1,"data":[]}`,
		"no seq":              `{"type":"ticker","ts":1,"data":[]}`,
		"no ts":               `{"type":"ticker","seq":1,"data":[]}`,
		"negative seq":        `{"type":"ticker","seq":-1,"ts":1,"data":[]}`,
		"zeros before seq":    `{"type":"ticker","seq":007,"ts":1,"data":[]}`,
		"zeros before ts":     `{"type":"ticker","seq":7,"ts":01,"data":[]}`,
		"zeros after minus":   `{"type":"ticker","seq":7,"ts":-01,"data":[]}`,
		"seq beyond 64 bits":  `{"type":"ticker","seq":18446744073709551616,"ts":1,"data":[]}`,
		"seq with a point":    `{"type":"ticker","seq":1.0,"ts":1,"data":[]}`,
		"leading comma":       tickOf("," + btc),
		"timestamp too long":  tickOf(`{"symbol":"A-B","price":1,"timestamp":9223372036854775808}`),
		"trailing comma":      strings.Replace(tickOf(btc), btc, btc+",", 1),
		"no comma":            tickOf(btc + eth),
		"open":                strings.TrimSuffix(tickOf(btc), "}"),
		"trailing":            tickOf(btc) + "x",
		"twice":               tickOf(btc) + tickOf(btc),
		"element no object":   tickOf("1"),
		"no symbol":           tickOf(`{"price":1,"timestamp":1}`),
		"lower case":          tickOf(`{"symbol":"btc-USD","price":1,"timestamp":1}`),
		"malformed symbol":    tickOf(`{"symbol":"BTCUSD","price":1,"timestamp":1}`),
		"no price":            tickOf(`{"symbol":"A-B","timestamp":1}`),
		"price text":          tickOf(`{"symbol":"A-B","price":"1","timestamp":1}`),
		"price null":          tickOf(`{"symbol":"A-B","price":null,"timestamp":1}`),
		"price malformed":     tickOf(`{"symbol":"A-B","price":1.,"timestamp":1}`),
		"price zeros":         tickOf(`{"symbol":"A-B","price":007,"timestamp":1}`),
		"price beyond bounds": tickOf(`{"symbol":"A-B","price":1e400,"timestamp":1}`),
		"no timestamp":        tickOf(`{"symbol":"A-B","price":1}`),
		"timestamp broken":    tickOf(`{"symbol":"A-B","price":1,"timestamp":1.5}`),
		"timestamp zeros":     tickOf(`{"symbol":"A-B","price":1,"timestamp":01}`),
		"another case":        tickOf(`{"sYmbol":"A-B","price":1,"timestamp":1}`),
		"price twice":         tickOf(`{"symbol":"A-B","price":"","price":1,"timestamp":1}`),
		"seq twice":           `{"type":"ticker","seq":1,"seq":2,"ts":1,"data":[]}`,
		"not UTF-8":           `{"type":"ticker","seq":1,"ts":1,"data":[],"x":"` + "\xff" + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			var got ticker.Scanned
			if err := ticker.Scan([]byte(msg), &got); !errors.Is(err, ticker.ErrTick) {
				t.Errorf("%s: taken as %+v, %v", msg, got, err)
			}
		})
	}
}

// A Scanned is used again and again: nothing of the tick before stays.
func TestScanReuses(t *testing.T) {
	var s ticker.Scanned
	for _, msg := range []string{tickOf(btc, eth), tickOf(btc), " " + tickOf(eth), tickOf()} {
		if err := ticker.Scan([]byte(msg), &s); err != nil {
			t.Fatal(err)
		}
		checkScanned(t, []byte(msg), &s)
	}
}

// FuzzScan holds Scan against encoding/json.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		tickOf(), tickOf(btc), tickOf(btc, eth), " " + tickOf(btc), tickOf(`{"symbol":"A-B","price":1e2,"timestamp":1}`),
		`{"type":"ticker","seq":007,"ts":-01,"data":[]}`, `{"type":"ticker","seq":18446744073709551615,"ts":-1,"data":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		var got ticker.Scanned
		if err := ticker.Scan(msg, &got); err == nil {
			checkScanned(t, msg, &got)
			return
		}
		if tick, ok := decode(msg); ok && string(tick.AppendJSON(nil)) == string(msg) {
			t.Fatalf("refused: %s", msg)
		}
	})
}

// decode reads msg the slow way, and tells whether it is a tick of ours.
func decode(msg []byte) (tick ticker.Tick, ok bool) {
	var slow struct {
		Type string
		Seq  *uint64
		TS   *int64
		Data []struct {
			Symbol    string
			Price     json.Number
			Timestamp *int64
		}
	}
	if !utf8.Valid(msg) || json.Unmarshal(msg, &slow) != nil || slow.Type != "ticker" || slow.Seq == nil || slow.TS == nil {
		return tick, false
	}
	tick.Seq, tick.TS = *slow.Seq, *slow.TS
	for _, e := range slow.Data {
		symbol, err := ticker.ParseSymbol(e.Symbol)
		if err != nil || string(symbol) != e.Symbol || e.Timestamp == nil {
			return tick, false
		}
		if _, err := ticker.ParseDecimal(e.Price.String()); err != nil {
			return tick, false
		}
		tick.Data = append(tick.Data, ticker.Price{Symbol: symbol, Price: ticker.Decimal(e.Price), Timestamp: *e.Timestamp})
	}
	return tick, true
}

// checkScanned fails unless got is what encoding/json reads in msg.
func checkScanned(t *testing.T, msg []byte, got *ticker.Scanned) {
	t.Helper()
	want, ok := decode(msg)
	if !ok {
		t.Fatalf("no tick, but taken: %s", msg)
	}
	if got.Seq != want.Seq || got.TS != want.TS || len(got.Data) != len(want.Data) {
		t.Fatalf("%s: got seq %d, ts %d, %d elements", msg, got.Seq, got.TS, len(got.Data))
	}
	for i, e := range got.Data {
		if string(e.Symbol) != string(want.Data[i].Symbol) {
			t.Errorf("data[%d]: symbol %s, want %s", i, e.Symbol, want.Data[i].Symbol)
		}
		one, ok := decode(fmt.Appendf(nil, `{"type":"ticker","seq":0,"ts":0,"data":[%s]}`, e.JSON))
		if !ok || len(one.Data) != 1 || one.Data[0] != want.Data[i] {
			t.Errorf("data[%d]: %s, want %+v", i, e.JSON, want.Data[i])
		}
	}
}

// tickOfMany is the canonical encoding of a tick with n elements.
func tickOfMany(n int) []byte {
	tick := ticker.Tick{Seq: 173, TS: 1700000000123456}
	for i := range n {
		tick.Data = append(tick.Data, ticker.Price{
			Symbol: ticker.Symbol(fmt.Sprintf("COIN%d-USD", i)), Price: "42000.12", Timestamp: 1700000000,
		})
	}
	return tick.AppendJSON(nil)
}

func TestScanAllocatesNothing(t *testing.T) {
	for _, n := range []int{0, 3, 2000} {
		msg := tickOfMany(n)
		var s ticker.Scanned
		if allocs := testing.AllocsPerRun(10, func() {
			if err := ticker.Scan(msg, &s); err != nil || len(s.Data) != n {
				t.Fatal(err, len(s.Data))
			}
		}); allocs != 0 {
			t.Errorf("%d elements: %v allocations", n, allocs)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	for _, n := range []int{3, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			msg := tickOfMany(n)
			var s ticker.Scanned
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				if err := ticker.Scan(msg, &s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
