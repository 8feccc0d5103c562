package history

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/ticker"
)

func (s *shop) figuresNow() string {
	s.Helper()
	text, err := s.figures.page(s.Context(), s.History, 0)
	if err != nil {
		s.Fatal(err)
	}
	if !json.Valid(text) {
		s.Fatalf("%s is no JSON", text)
	}
	return string(text)
}

func TestFigures(t *testing.T) {
	s := newShop(t, "BTC-USD", "ETH-USD", "SOL-USD")
	s.clock++
	if got, want := s.figuresNow(), `{"data":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.trade(midnight+299, "BTC-USD", "50") // will be too old
	s.trade(midnight+300, "BTC-USD", "100.00")
	s.trade(midnight+5000, "BTC-USD", "110")
	s.trade(midnight+5001, "BTC-USD", "90.5")
	s.trade(midnight+86400, "ETH-USD", "3")
	s.trade(midnight+86400+599, "ETH-USD", "2")
	s.trade(midnight+86400+599, "BTC-USD", "99.995")
	const want = `{"data":[` +
		`{"symbol":"BTC-USD","open":100.00,"high":110,"low":90.5,"last":99.995,"change":-0.005,"change_percent":-0.01,"since":1700006700},` +
		`{"symbol":"ETH-USD","open":3,"high":3,"low":2,"last":2,"change":-1,"change_percent":-33.33,"since":1700092800}]}`
	if got := s.figuresNow(); got != want {
		t.Errorf("got  %s,\nwant %s", got, want)
	}
	s.collector.close(midnight + 86400 + 600)
	for s.takeOver() {
	}
	s.put()
	s.restart()
	if got := s.figuresNow(); got != want {
		t.Errorf("after a restart: got %s,\nwant %s", got, want)
	}
}

// However many symbols there are, and however long their names and prices, what is said
// and kept of them fits into the messages of NATS.
func TestLongest(t *testing.T) {
	const most = 4000
	symbols := make([]ticker.Symbol, most)
	high, low := ticker.Decimal(strings.Repeat("9", maxDigits)), ticker.Decimal("0."+strings.Repeat("0", maxDigits-3)+"1")
	var data []ticker.Price
	for i := range symbols {
		symbols[i] = ticker.Symbol(fmt.Sprintf("%032d-%032d", i, i))
		data = append(data, ticker.Price{Symbol: symbols[i], Price: low}, ticker.Price{Symbol: symbols[i], Price: high})
	}
	s := newShop(t, symbols...)
	s.Add(ticker.Tick{TS: midnight * 1e6, Data: data})
	s.trade(midnight+1, symbols[0], high)
	s.put()
	s.restart()
	conn := bustest.Connect(t, s.server, "reader")
	count := 0
	for from, more := 0, true; more; {
		text, err := s.stats(t.Context(), fmt.Appendf(nil, `{"from":%d}`, from))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Publish("stats", text); err != nil {
			t.Error(err)
		}
		var result bus.StatsResult
		if err := json.Unmarshal(text, &result); err != nil {
			t.Fatal(err)
		}
		count += len(result.Data)
		from, more = result.Next, result.Next > 0
	}
	if count != most {
		t.Errorf("figures of %d symbols", count)
	}
	want := fmt.Sprintf("[%d,%s,%s,%s,%s]", midnight, low, high, low, high)
	for _, symbol := range []ticker.Symbol{symbols[0], symbols[most-1]} {
		s.expect(second, symbol, want)
	}
}

func TestPercent(t *testing.T) {
	for _, tt := range []struct {
		from, to ticker.Decimal
		want     string
	}{
		{"100", "102.44", "2.44"},
		{"100", "100.005", "0.01"},
		{"100", "99.995", "-0.01"},
		{"100", "99.996", "0.00"},
		{"0.00000003", "0.00000004", "33.33"},
		{"1", "1", "0.00"},
		{"0", "1", "0.00"},
	} {
		if got := percent(tt.from, tt.to); got != tt.want {
			t.Errorf("from %s to %s: %s, want %s", tt.from, tt.to, got, tt.want)
		}
	}
}
