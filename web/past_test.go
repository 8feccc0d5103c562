package web_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// row is a selector of what a row of the table has in a field.
func row(symbol, field string) string {
	return fmt.Sprintf(`tr[data-symbol=%q] [data-field=%s]`, symbol, field)
}

// stats are the figures of a symbol since some time ago.
func stats(symbol, open, high, low string, ago time.Duration) string {
	return fmt.Sprintf(`{"symbol":%q,"open":%s,"high":%s,"low":%s,"last":1,"change":1,"change_percent":1,"since":%d}`,
		symbol, open, high, low, time.Now().Add(-ago).Unix())
}

// wave are candles of the last hour and the open one, around a price.
func wave(around float64) string {
	var candles []string
	start := time.Now().Truncate(time.Minute).Add(-61 * time.Minute).Unix()
	at := func(i int) float64 { return around * (1 + 0.004*math.Sin(float64(i)/5) + 0.001*math.Cos(float64(3*i))) }
	for i := range 62 {
		candles = append(candles, fmt.Sprintf("[%d,%.2f,%.2f,%.2f,%.2f]", start+int64(60*i), at(i), at(i)*1.001, at(i)*0.999, at(i+1)))
	}
	return strings.Join(candles, ",")
}

// TestDay holds that rows tell the change and the range of 24 hours, with every
// digit, and that ticks keep them right.
func TestDay(t *testing.T) {
	t.Parallel()
	s := newServer(t, [2]string{"BTC-USD", "42000.10"}, [2]string{"ETH-USD", "2500.00"}, [2]string{"SHIB-USD", "0.000012340"})
	s.stats = strings.Join([]string{
		stats("BTC-USD", "41000.00", "42100.50", "40900.10", 24*time.Hour),
		stats("ETH-USD", "2510.5", "2600", "2490.00", 24*time.Hour),
		stats("SHIB-USD", "0.000012000", "0.000012350", "0.000011990", 3*time.Hour),
	}, ",")
	s.candles = func(symbol string) string { return wave(map[string]float64{"BTC-USD": 42000, "ETH-USD": 2500}[symbol]) }
	b := open(t, s)
	b.shows("#since", "24 h")
	b.shows(row("BTC-USD", "open"), "41000.00")
	b.shows(row("BTC-USD", "high"), "42100.50")
	b.shows(row("BTC-USD", "low"), "40900.10")
	b.shows(row("BTC-USD", "amount"), "+1000.10")
	b.shows(row("BTC-USD", "percent"), "+2.44\u202f%")
	b.shows(row("BTC-USD", "since"), "")
	b.shows(row("ETH-USD", "amount"), "\u221210.50")
	b.shows(row("SHIB-USD", "amount"), "+0.000000340")
	b.wait(`/^since .*\d/.test(document.querySelector('` + row("SHIB-USD", "since") + `').innerText)`)
	b.shows("#span", "Last hour")
	b.pictureAll("day")

	s.say(ticker(false, [2]string{"BTC-USD", "42100.60"}, [2]string{"ETH-USD", "2489.99"}))
	s.say(ticker(false, [2]string{"BTC-USD", "42000.00"}, [2]string{"ETH-USD", "2500.00"}))
	b.shows(row("BTC-USD", "high"), "42100.60")
	b.shows(row("BTC-USD", "amount"), "+1000.00")
	b.shows(row("ETH-USD", "low"), "2489.99")
}

// TestYoungServer holds that the page does not call 24 hours what is less.
func TestYoungServer(t *testing.T) {
	t.Parallel()
	s := newServer(t, [2]string{"BTC-USD", "42000.10"})
	s.stats = stats("BTC-USD", "41000.00", "42100.50", "40900.10", 2*time.Hour)
	b := open(t, s, "404") // there are no candles
	b.shows(row("BTC-USD", "amount"), "+1000.10")
	b.wait(`/^since .*\d/.test(document.getElementById("since").textContent)`)
}

// TestServerWithoutHistory holds that the page does without: it counts from the
// first price, and does not go on asking.
func TestServerWithoutHistory(t *testing.T) {
	t.Parallel()
	s := newServer(t, [2]string{"BTC-USD", "42000.10"})
	b := open(t, s, "404")
	s.say(ticker(false, [2]string{"BTC-USD", "42000.20"}))
	b.shows(row("BTC-USD", "amount"), "+0.10")
	b.wait(`/^since .*\d/.test(document.getElementById("since").textContent)`)
	b.wait(`document.querySelector("#board tbody .day").getClientRects().length === 0`)
	b.shows("#span", "Last minute")
	b.pictureAll("no-history")
	if polls, candles := s.requests(); polls != 1 || len(candles) > 0 {
		t.Errorf("the figures were asked for %d times, and candles of %q", polls, candles)
	}
}

// TestCandlesOfWhatIsSeen holds that the page asks for the candles of rows in sight,
// once for each and a few at a time, and for others when they come into sight.
func TestCandlesOfWhatIsSeen(t *testing.T) {
	t.Parallel()
	var prices [][2]string
	var figures []string
	for i := range 200 {
		symbol := fmt.Sprintf("C%03d-USD", i)
		prices = append(prices, [2]string{symbol, "100.00"})
		figures = append(figures, stats(symbol, "99.00", "101.00", "98.50", 24*time.Hour))
	}
	s := newServer(t, prices...)
	s.stats = strings.Join(figures, ",")
	s.candles = func(string) string { return wave(100) }
	b := open(t, s)
	b.shows("#span", "Last hour")
	b.wait(`document.querySelector("tr[data-symbol=C000-USD] canvas") !== null`)
	b.pictureAll("many")
	_, seen := s.requests()
	if len(seen) == 0 || len(seen) > 60 {
		t.Errorf("candles of %d symbols were asked for", len(seen))
	}
	last := func() bool {
		_, asked := s.requests()
		return slices.Contains(asked, "C199-USD")
	}
	if last() {
		t.Fatal("candles of the last row were asked for, which was not in sight")
	}
	eval[any](b, `scrollTo(0, document.body.scrollHeight)`)
	late := time.After(patience)
	for !last() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-late:
			t.Fatal("candles of the last row are not asked for")
		}
	}
	_, asked := s.requests()
	times := map[string]int{}
	for _, symbol := range asked {
		if times[symbol]++; times[symbol] > 1 {
			t.Errorf("candles of %s were asked for %d times", symbol, times[symbol])
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busiest > 2 {
		t.Errorf("candles of %d symbols were asked for at a time", s.busiest)
	}
}
