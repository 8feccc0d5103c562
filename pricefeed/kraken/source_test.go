package kraken

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/pricefeed/exchange"
	"tickerd/pricefeed/exchangetest"
	"tickerd/ticker"
)

const patience = 10 * time.Second

// news is a sink that writes everything down in a line, but that something was heard.
type news chan string

func (n news) Link(up bool)                        { n <- fmt.Sprintf("link %v", up) }
func (n news) Heard()                              {}
func (n news) Market(s ticker.Symbol, served bool) { n <- fmt.Sprintf("%s served %v", s, served) }
func (n news) Price(p ticker.Price)                { n <- fmt.Sprintf("%s %s %d", p.Symbol, p.Price, p.Timestamp) }

// records passes log messages on.
type records chan string

func (records) Enabled(context.Context, slog.Level) bool { return true }
func (r records) WithAttrs([]slog.Attr) slog.Handler     { return r }
func (r records) WithGroup(string) slog.Handler          { return r }
func (r records) Handle(_ context.Context, record slog.Record) error {
	line := record.Level.String() + " " + record.Message
	record.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	r <- line
	return nil
}

// feed is a source at work on a stand-in.
type feed struct {
	t        *testing.T
	exchange *exchangetest.Server
	source   *Source
	news     news
	log      records
	stop     func()
}

func start(t *testing.T, symbols ...ticker.Symbol) *feed {
	f := &feed{t: t, exchange: exchangetest.New(t), news: make(news, 1000), log: make(records, 1000)}
	impatient := terms()
	impatient.ConnectEvery, impatient.MessageEvery, impatient.Retry = time.Millisecond, time.Millisecond, time.Millisecond
	f.source = newSource(Config{URL: f.exchange.URL()}, symbols, impatient, slog.New(f.log))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.source.Run(ctx, f.news) }()
	f.stop = func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
			done <- nil
		case <-time.After(patience):
			t.Error("Run goes on")
		}
	}
	t.Cleanup(f.stop)
	return f
}

// expect waits for the next lines of news.
func (f *feed) expect(lines ...string) {
	f.t.Helper()
	for _, want := range lines {
		select {
		case got := <-f.news:
			if got != want {
				f.t.Fatalf("got %q, want %q", got, want)
			}
		case <-time.After(patience):
			f.t.Fatalf("nothing within %v, want %q", patience, want)
		}
	}
}

// accept waits for a connection, greets it, and reads its first request.
func (f *feed) accept() *exchangetest.Conn {
	f.t.Helper()
	c := f.exchange.Accept()
	c.Send(`{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2","connection_id":9471984923908980762}]}`)
	c.Read()
	f.expect("link true")
	return c
}

// trade is a ticker of a time; 0: none.
func trade(symbol, last string, unix int64) string {
	at := ""
	if unix > 0 {
		at = fmt.Sprintf(`,"timestamp":%q`, time.Unix(unix, 794_283_000).UTC().Format(time.RFC3339Nano))
	}
	return fmt.Sprintf(`{"channel":"ticker","type":"update","data":[{"symbol":%q,"bid":0.13099,"bid_qty":329.06250000,"last":%s,"volume":9095630.20903971%s}]}`, symbol, last, at)
}

func ack(symbol string) string {
	return fmt.Sprintf(`{"method":"subscribe","result":{"channel":"ticker","event_trigger":"bbo","snapshot":true,"symbol":%q},"success":true}`, symbol)
}

func refusal(symbol string) string {
	return fmt.Sprintf(`{"error":"Currency pair not supported %s","method":"subscribe","success":false,"symbol":%q}`, symbol, symbol)
}

func TestSubscription(t *testing.T) {
	f := start(t, "BTC-USD", "ETH-USD")
	c := f.exchange.Accept()
	for _, want := range []string{
		`{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD","ETH/USD"],"event_trigger":"bbo","snapshot":true}}`,
		`{"method":"unsubscribe","params":{"channel":"ticker","symbol":["BTC/USD"],"event_trigger":"bbo"}}`,
		`{"method":"subscribe","params":{"channel":"ticker","symbol":["DOGE/EUR"],"event_trigger":"bbo","snapshot":true}}`,
	} {
		if got := c.Read(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		f.source.Subscribe([]ticker.Symbol{"ETH-USD", "DOGE-EUR"})
	}
}

func TestPrices(t *testing.T) {
	f := start(t, "BTC-USD", "ETH-USD")
	c := f.accept()
	c.Send(ack("BTC/USD"))
	c.Send(trade("BTC/USD", "84737.5800", 1700000000))
	c.Send(trade("BTC/USD", "84737.5800", 1700000000)) // the offer has changed
	c.Send(trade("BTC/USD", "84737.5700", 1699999999)) // late
	c.Send(trade("ETH/USD", "1.5e-7", 1700000001))
	c.Send(trade("XBT/USD", "1", 1700000001)) // not asked for
	c.Send(`{"channel":"heartbeat"}`)         // no market's sign of life
	c.Send(`{"channel":"ticker","type":"update","data":[{"symbol":"ETH/USD","last":2,"timestamp":"2023-11-14T22:13:22Z"},{"symbol":"BTC/USD","last":3,"timestamp":"2023-11-14T22:13:23Z"}]}`)
	f.expect("BTC-USD 84737.5800 1700000000", "BTC-USD 84737.5800 1700000000", "ETH-USD 0.00000015 1700000001", "ETH-USD 2 1700000002", "BTC-USD 3 1700000003")
	f.stop()
	f.expect("link false")
	if got := f.source.Stats(); got.Bad != 0 || got.Outdated != 1 || got.Messages != 9 {
		t.Errorf("%+v", got)
	}
}

func TestPriceWithoutTime(t *testing.T) {
	f := start(t, "BTC-USD")
	c := f.accept()
	before := time.Now().Unix()
	c.Send(trade("BTC/USD", "1", 0))
	c.Send(trade("BTC/USD", "1", before+3600)) // of the future
	for range 2 {
		var timestamp int64
		if _, err := fmt.Sscanf(<-f.news, "BTC-USD 1 %d", &timestamp); err != nil {
			t.Fatal(err)
		}
		if timestamp < before || timestamp > time.Now().Unix() {
			t.Errorf("%d, want the time of receipt", timestamp)
		}
	}
}

func TestUnknownSymbol(t *testing.T) {
	f := start(t, "BTC-USD", "XYZ-USD")
	c := f.accept()
	c.Send(refusal("XYZ/USD"))
	c.Send(ack("BTC/USD"))
	c.Send(trade("BTC/USD", "1", 1700000000))
	f.expect("XYZ-USD served false", "BTC-USD 1 1700000000")
	c.Send(`{"error":"Subscription not found","method":"unsubscribe","success":false,"symbol":"BTC/USD"}`) // no refusal
	c.Send(refusal("BTC/USD"))                                                                             // delisted
	c.Send(ack("BTC/USD"))
	c.Send(refusal("BTC/USD"))
	f.expect("BTC-USD served false", "BTC-USD served false")
	c.Send(trade("XYZ/USD", "2", 1700000000)) // listed by now
	f.expect("XYZ-USD 2 1700000000")
}

// Whoever has asked too often does not know what was heard.
func TestTooOften(t *testing.T) {
	f := start(t, "BTC-USD")
	for _, msg := range []string{`{"Error":"Exceeded msg rate"}`, `{"error":"Exceeded msg rate","method":"subscribe","success":false,"symbol":"BTC/USD"}`} {
		f.accept().Send(msg)
		f.expect("link false")
	}
	f.accept()
}

func TestMaintenance(t *testing.T) {
	f := start(t, "BTC-USD")
	c := f.accept()
	status := func(system, upcoming string) {
		c.Send(fmt.Sprintf(`{"channel":"status","type":"update","data":[{"system":%q,"upcoming_maintenance":[%s],"emergency":[]}]}`, system, upcoming))
	}
	const soon = `{"expected_start_utc":"2026-10-04T02:00:00Z","title":"Upgrade"}`
	for _, system := range []string{"online", "online", "maintenance", "maintenance", "post_only", "online"} {
		status(system, soon)
	}
	status("online", "")
	c.Send(trade("BTC/USD", "1", 1700000000))
	f.expect("BTC-USD 1 1700000000")
	f.stop()
	close(f.log)
	var told []string
	for line := range f.log {
		if !strings.Contains(line, "connected") {
			told = append(told, line)
		}
	}
	want := []string{
		"WARN the exchange announces maintenance start=2026-10-04T02:00:00Z",
		"WARN the exchange's system has changed system=maintenance",
		"WARN the exchange's system has changed system=post_only",
		"INFO the exchange's system has changed system=online",
	}
	if !slices.Equal(told, want) {
		t.Errorf("the log says %q", told)
	}
}

func TestGarbage(t *testing.T) {
	f := start(t, "BTC-USD")
	c := f.accept()
	for _, garbage := range []string{
		"", "garbage", "null", "[]", "{}", `{"channel":"ticker"`, strings.Repeat("[", 100_000),
		trade("BTC/USD", "0", 1700000000), trade("BTC/USD", "-1", 1700000000), trade("BTC/USD", "null", 1700000000), trade("BTC/USD", "{}", 1700000000),
	} {
		c.Send(garbage)
	}
	c.Send(trade("BTC/USD", "0.000000123456", 1700000000))
	f.expect("BTC-USD 0.000000123456 1700000000")
	if got := f.source.Stats(); got.Bad != 11 || got.Connects != 1 {
		t.Errorf("%+v", got)
	}
}

// The exchange's limits are 150 connections in ten minutes, and one in five seconds
// after a maintenance. It closes after a minute without activity.
func TestTermsAreWithinTheLimits(t *testing.T) {
	terms := terms()
	if terms.ConnectEvery < 5*time.Second || terms.PingEvery > 30*time.Second || terms.PingEvery >= terms.Silence || requestEvery < time.Second {
		t.Errorf("%+v", terms)
	}
}

func TestValidate(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
	for key, cfg := range map[string]Config{"url": {URL: REST, REST: REST}, "rest": {URL: URL}} {
		if wrong, ok := errors.AsType[*bus.KeyError](cfg.Validate()); !ok || wrong.Key != key {
			t.Errorf("%+v: %v, want %s", cfg, cfg.Validate(), key)
		}
	}
}

func TestCandles(t *testing.T) {
	open := time.Now().Truncate(time.Minute).Unix()
	answer := fmt.Sprintf(`{"error":[],"result":{"XXBTZUSD":[[1700000040,"1","4","2","3","2","0.1",7],[1700000100,"42000.0","42010.00","41990.1","42001.0","42000.5","12.5",88],[%d,"42001.0","42001.0","42001.0","42001.0","42001.0","0.1",1]],"last":1700000100}}`, open)
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		_, _ = w.Write([]byte(answer)) // the client shows it
	}))
	defer s.Close()
	source := New(Config{URL: URL, REST: s.URL}, nil, slog.New(slog.DiscardHandler))
	// The exchange is asked once a second at most: this is the test of each answer.
	source.rest = exchange.NewREST(s.URL, time.Millisecond)
	from := time.Unix(1700000100, 0)
	got, err := source.Candles(t.Context(), "BTC-USD", time.Minute, from)
	want := []ticker.Candle{{Start: 1700000100, Open: "42000.0", High: "42010.00", Low: "41990.1", Close: "42001.0"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if want := "/0/public/OHLC?interval=1&pair=XBTUSD&since=1700000099"; asked != want {
		t.Errorf("asked for %s, want %s", asked, want)
	}
	for symbol, pair := range map[ticker.Symbol]string{"ETH-BTC": "ETHXBT", "DOGE-EUR": "XDGEUR", "WBTC-USD": "WBTCUSD"} {
		if _, err := source.Candles(t.Context(), symbol, 24*time.Hour, from); err != nil || !strings.Contains(asked, "interval=1440&pair="+pair) {
			t.Errorf("%s: asked for %s: %v", symbol, asked, err)
		}
	}
	for _, answer = range []string{`{"error":["EGeneral:Too many requests"]}`, `{"error":[],"result":{"last":1}}`, `{"error":[]}`, `[]`, `{"error":[],"result":{"XXBTZUSD":[[1]]}}`, ``} {
		if got, err := source.Candles(t.Context(), "BTC-USD", time.Minute, from); err == nil {
			t.Errorf("%s: %v", answer, got)
		}
	}
	for _, interval := range []time.Duration{time.Second, 90 * time.Second, 2 * time.Minute} {
		if _, err := source.Candles(t.Context(), "BTC-USD", interval, from); !errors.Is(err, exchange.ErrInterval) {
			t.Errorf("%v: %v", interval, err)
		}
	}
}
