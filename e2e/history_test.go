package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tickerd/e2e/nodetest"
	"tickerd/pricefeed/exchangetest"
)

// candles asks for the candles of BTC-USD, each [t,open,high,low,close].
func candles(t *testing.T, n *nodetest.Node, interval string) (list [][5]json.Number) {
	t.Helper()
	status, body := n.Call(t, http.MethodGet, "/api/v1/candles?symbol=BTC-USD&interval="+interval, n.Token(t, n.Key), nil)
	var answer struct {
		Symbol, Interval string
		Data             [][5]json.Number
	}
	if status == http.StatusServiceUnavailable {
		return nil // not yet
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || answer.Symbol != "BTC-USD" || answer.Interval != interval {
		t.Fatalf("candles: %d %s (%v)", status, body, err)
	}
	return answer.Data
}

// TestHistory lets an exchange trade, and the node be killed: what was is there when it
// is back, to the digit.
func TestHistory(t *testing.T) {
	t.Parallel()
	exchange := exchangetest.New(t)
	dir := nodetest.NewDataDir(t)
	n := nodetest.StartDry(t, dir, coinbase(exchange)...)
	feed := accept(t, exchange)
	for _, price := range []string{"100.10", "100.30", "99.90", "100.20"} {
		feed.Trade("BTC-USD", price)
		nodetest.Eventually(t, price, func() bool {
			_, body := n.Call(t, http.MethodGet, "/api/v1/prices/BTC-USD", n.Token(t, n.Key), nil)
			return strings.Contains(string(body), price)
		})
	}
	// It is closed, and kept, when another second has a candle of its own.
	var before [][5]json.Number
	nodetest.Eventually(t, "a second candle", func() bool {
		feed.Trade("BTC-USD", fmt.Sprintf("100.2%d", len(before)%10))
		before = candles(t, n, "1s")
		return len(before) >= 3
	})
	days := candles(t, n, "1d")
	if len(days) == 0 || days[0][1] != "100.10" || days[0][2] != "100.30" || days[0][3] != "99.90" {
		t.Errorf("the day is %v", days)
	}
	n.Kill()
	<-n.Ended

	n = nodetest.StartDry(t, dir, coinbase(exchange)...)
	accept(t, exchange)
	var after [][5]json.Number
	nodetest.Eventually(t, "history", func() bool {
		after = candles(t, n, "1s")
		return after != nil
	})
	closed := before[:len(before)-1]
	if len(after) < len(closed) || !slices.Equal(after[:len(closed)], closed) {
		t.Errorf("before: %v, after: %v", before, after)
	}
	if days := candles(t, n, "1d"); len(days) == 0 || days[0][1] != "100.10" || days[0][2] != "100.30" || days[0][3] != "99.90" {
		t.Errorf("the day is %v", days)
	}
	_, body := n.Call(t, http.MethodGet, "/api/v1/stats?symbols=BTC-USD", n.Token(t, n.Key), nil)
	if !strings.HasPrefix(string(body), `{"data":[{"symbol":"BTC-USD","open":100.10,"high":100.30,"low":99.90,"last":100.2`) {
		t.Errorf("stats %s", body)
	}
}

// TestEvents reads the stream as Server-Sent Events, and goes on behind what it had.
func TestEvents(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t)
	events := func(header http.Header) *bufio.Scanner {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL+"/sse/ticker?symbols=BTC-USD", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		header.Set("Authorization", "Bearer "+n.Token(t, n.Key))
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { answer.Body.Close() })
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("answered %s, %v", answer.Status, answer.Header)
		}
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 1<<20)
		return lines
	}
	// until reads lines up to one that begins so, and gives the rest of it.
	until := func(lines *bufio.Scanner, prefix string) string {
		t.Helper()
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
				return rest
			}
		}
		t.Fatalf("no line begins with %q: %v", prefix, lines.Err())
		return ""
	}
	lines := events(http.Header{})
	until(lines, "event: welcome")
	id := until(lines, "id: ")
	until(lines, "event: ticker")
	until(lines, `data: {"type":"ticker","snapshot":true,"seq":`+id)

	lines = events(http.Header{"Last-Event-Id": {id}})
	until(lines, "event: welcome")
	if data := until(lines, "data: "); !strings.Contains(data, `"resumed":true`) {
		t.Errorf("welcome is %s", data)
	}
	var seq uint64
	if _, err := fmt.Sscan(id, &seq); err != nil {
		t.Fatal(err)
	}
	until(lines, fmt.Sprintf("id: %d", seq+1))
}
