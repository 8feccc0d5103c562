package binance

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

	"github.com/gobwas/ws"

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

// feed is a source at work on a stand-in.
type feed struct {
	t        *testing.T
	exchange *exchangetest.Server
	source   *Source
	news     news
	stop     func()
}

func start(t *testing.T, symbols ...ticker.Symbol) *feed {
	f := &feed{t: t, exchange: exchangetest.New(t), news: make(news, 1000)}
	impatient := terms()
	impatient.ConnectEvery, impatient.MessageEvery, impatient.Retry = time.Millisecond, time.Millisecond, time.Millisecond
	f.source = newSource(Config{URL: f.exchange.URL(), QuoteAlias: QuoteAlias}, symbols, impatient, slog.New(slog.DiscardHandler))
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

// accept waits for a connection and its first request, which it answers.
func (f *feed) accept() *exchangetest.Conn {
	f.t.Helper()
	c := f.exchange.Accept()
	c.Read()
	c.Send(`{"result":null,"id":1}`)
	return c
}

// trade is a ticker of a time.
func trade(market, last string, at time.Time) string {
	return fmt.Sprintf(`{"stream":"%s@ticker","data":{"e":"24hrTicker","E":%d,"s":%q,"p":"0.0015","P":"250.00","c":%q,"Q":"10","C":86400000}}`,
		strings.ToLower(market), at.UnixMilli(), market, last)
}

var then = time.UnixMilli(1700000000123)

func TestSubscription(t *testing.T) {
	f := start(t, "BTC-USD", "ETH-EUR")
	c := f.exchange.Accept()
	for _, want := range []string{
		`{"method":"SUBSCRIBE","params":["btcusdt@ticker","etheur@ticker"],"id":1}`,
		`{"method":"UNSUBSCRIBE","params":["btcusdt@ticker"],"id":2}`,
		`{"method":"SUBSCRIBE","params":["dogeusdt@ticker"],"id":3}`,
	} {
		if got := c.Read(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		f.source.Subscribe([]ticker.Symbol{"ETH-EUR", "DOGE-USD"})
	}
}

func TestPrices(t *testing.T) {
	f := start(t, "BTC-USD", "BTC-USDT", "ETH-EUR")
	c := f.accept()
	c.Send(trade("BTCUSDT", "84737.58000000", then))
	c.Send(trade("BTCUSDT", "1", then.Add(-time.Millisecond))) // late
	c.Send(trade("ETHEUR", "0.000000123456", then.Add(time.Second)))
	c.Send(trade("ETHUSDT", "2", then)) // not asked for
	c.Send(`{"error":{"code":2,"msg":"Invalid request"},"id":2}`)
	c.Send(trade("BTCUSDT", "3", then.Add(time.Second)))
	f.expect("link true", "BTC-USD 84737.58000000 1700000000", "BTC-USDT 84737.58000000 1700000000", "ETH-EUR 0.000000123456 1700000001",
		"BTC-USD 3 1700000001", "BTC-USDT 3 1700000001")
	f.stop()
	f.expect("link false")
	if got := f.source.Stats(); got.Bad != 0 || got.Outdated != 1 || got.Messages != 7 {
		t.Errorf("%+v", got)
	}
}

// The exchange pings with the time, and wants to have it back.
func TestPing(t *testing.T) {
	f := start(t, "BTC-USD")
	c := f.accept()
	c.Ping("1700000000123")
	if got := c.Next(); got.Op != ws.OpPong || got.Payload != "1700000000123" {
		t.Errorf("got %v %q", got.Op, got.Payload)
	}
}

// A shutdown that is announced is no interruption.
func TestShutdown(t *testing.T) {
	f := start(t, "BTC-USD")
	c := f.accept()
	c.Send(`{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}`)
	next := f.accept()
	c.Send(trade("BTCUSDT", "1", then))
	f.expect("link true", "BTC-USD 1 1700000000")
	next.Send(trade("BTCUSDT", "2", then.Add(time.Second)))
	f.expect("BTC-USD 2 1700000001")
	c.Send(trade("BTCUSDT", "1", then)) // over the old connection
	c.Drop()
	next.Send(trade("BTCUSDT", "3", then.Add(time.Second)))
	f.expect("BTC-USD 3 1700000001")
}

func TestGarbage(t *testing.T) {
	f := start(t, "BTC-USD")
	c := f.accept()
	for _, garbage := range []string{
		"", "garbage", "null", "[]", "{}", `{"stream":"x","data":{"e"`, strings.Repeat("[", 100_000),
		trade("BTCUSDT", "0", then), trade("BTCUSDT", "-1", then), trade("BTCUSDT", "", then),
	} {
		c.Send(garbage)
	}
	c.Send(trade("BTCUSDT", "84737.58", then))
	f.expect("link true", "BTC-USD 84737.58 1700000000")
	if got := f.source.Stats(); got.Bad != 10 || got.Connects != 1 {
		t.Errorf("%+v", got)
	}
}

// The exchange's limits are 300 connections in five minutes; of a connection five messages
// a second, pongs included, 1024 streams and 24 hours; of a message 4096 bytes.
func TestTermsAreWithinTheLimits(t *testing.T) {
	terms := terms()
	const pongs = 2
	messages := 1 + int(time.Second/terms.MessageEvery)
	if terms.ConnectEvery < time.Second || messages+pongs > 5 || terms.PerConnection > 1024 || terms.Lifetime > 23*time.Hour || terms.PingEvery >= terms.Silence {
		t.Errorf("%+v", terms)
	}
	longest := ticker.Symbol(strings.Repeat("X", 32) + "-" + strings.Repeat("Y", 32))
	p := &protocol{requests: 1 << 62}
	if request := p.Request(slices.Repeat([]string{p.Name(longest)}, terms.PerRequest), false); len(request) >= 4096-ws.MaxHeaderSize {
		t.Errorf("a request may have %d bytes", len(request))
	}
}

func TestValidate(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{URL: URL, REST: REST}).Validate(); err != nil {
		t.Errorf("no alias: %v", err)
	}
	for _, tt := range []struct {
		key string
		cfg Config
	}{
		{"url", Config{URL: REST, REST: REST}},
		{"rest", Config{URL: URL}},
		{"quote_alias", Config{URL: URL, REST: REST, QuoteAlias: "USD"}},
		{"quote_alias", Config{URL: URL, REST: REST, QuoteAlias: "USD="}},
		{"quote_alias", Config{URL: URL, REST: REST, QuoteAlias: "=USDT"}},
		{"quote_alias", Config{URL: URL, REST: REST, QuoteAlias: "USD=USDT,EUR=EURI"}},
		{"quote_alias", Config{URL: URL, REST: REST, QuoteAlias: "USD=USDT=USDC"}},
	} {
		if wrong, ok := errors.AsType[*bus.KeyError](tt.cfg.Validate()); !ok || wrong.Key != tt.key {
			t.Errorf("%+v: %v, want %s", tt.cfg, tt.cfg.Validate(), tt.key)
		}
	}
}

func TestAlias(t *testing.T) {
	for _, tt := range []struct {
		alias  string
		symbol ticker.Symbol
		want   string
	}{
		{"USD=USDT", "BTC-USD", "BTCUSDT"},
		{"usd=usdt", "BTC-USD", "BTCUSDT"},
		{"USD=USDT", "BTC-USDT", "BTCUSDT"},
		{"USD=USDT", "USD-EUR", "USDEUR"},
		{"USD=USDT", "ETH-BTC", "ETHBTC"},
		{"", "BTC-USD", "BTCUSD"},
	} {
		a, err := parseAlias(tt.alias)
		if got := a.market(tt.symbol); got != tt.want || err != nil {
			t.Errorf("%s with %q: %s, %v", tt.symbol, tt.alias, got, err)
		}
	}
}

func TestCandles(t *testing.T) {
	open := time.Now().Truncate(time.Minute).UnixMilli()
	answer := fmt.Sprintf(`[[1700000100000,"42000.00","42010.00","41990.01","42001.10","12.5",1700000159999,"525000.0",88,"6.0","252000.0","0"],[%d,"1","1","1","1","0",0,"0",0,"0","0","0"]]`, open)
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		_, _ = w.Write([]byte(answer)) // the client shows it
	}))
	defer s.Close()
	source := New(Config{URL: URL, REST: s.URL, QuoteAlias: QuoteAlias}, nil, slog.New(slog.DiscardHandler))
	from := time.Unix(1700000100, 0)
	got, err := source.Candles(t.Context(), "BTC-USD", time.Minute, from)
	want := []ticker.Candle{{Start: 1700000100, Open: "42000.00", High: "42010.00", Low: "41990.01", Close: "42001.10"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if want := "/api/v3/klines?interval=1m&limit=1000&startTime=1700000100000&symbol=BTCUSDT"; asked != want {
		t.Errorf("asked for %s, want %s", asked, want)
	}
	if _, err := source.Candles(t.Context(), "BTC-USD", 2*time.Second, from); !errors.Is(err, exchange.ErrInterval) {
		t.Errorf("two seconds: %v", err)
	}
}
