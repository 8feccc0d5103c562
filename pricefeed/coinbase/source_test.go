package coinbase

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"tickerd/pricefeed/exchangetest"
	"tickerd/ticker"
)

const patience = 10 * time.Second

// news is a sink that writes everything down in a line.
type news chan string

func (n news) Heard()                              {}
func (n news) Link(up bool)                        { n <- fmt.Sprintf("link %v", up) }
func (n news) Market(s ticker.Symbol, served bool) { n <- fmt.Sprintf("%s served %v", s, served) }
func (n news) Price(p ticker.Price)                { n <- fmt.Sprintf("%s %s %d", p.Symbol, p.Price, p.Timestamp) }

// records passes log messages on.
type records chan string

func (records) Enabled(context.Context, slog.Level) bool { return true }
func (r records) WithAttrs([]slog.Attr) slog.Handler     { return r }
func (r records) WithGroup(string) slog.Handler          { return r }
func (r records) Handle(_ context.Context, record slog.Record) error {
	select {
	case r <- record.Message:
	default:
	}
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

// at is a time of the stand-in, in its form.
func at(unix int64) string { return time.Unix(unix, 127_510_000).UTC().Format(time.RFC3339Nano) }

func trade(product, price string, sequence uint64, unix int64) string {
	return exchangetest.CoinbaseTicker(product, price, sequence, at(unix))
}

func TestSubscription(t *testing.T) {
	f := start(t, "BTC-USD", "ETH-USD")
	c := f.exchange.Accept()
	const want = `{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channels":["ticker","heartbeat"]}`
	if got := c.Read(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLiveSubscription(t *testing.T) {
	f := start(t, "BTC-USD", "ETH-USD")
	c := f.exchange.AcceptCoinbase()
	f.source.Subscribe([]ticker.Symbol{"ETH-USD", "SOL-USD"})
	for _, want := range []string{
		`{"type":"unsubscribe","product_ids":["BTC-USD"],"channels":["ticker","heartbeat"]}`,
		`{"type":"subscribe","product_ids":["SOL-USD"],"channels":["ticker","heartbeat"]}`,
	} {
		if got := c.Read(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	c.Subscriptions("ETH-USD") // answers the first request: SOL-USD is not refused
	c.Heartbeat("SOL-USD")
	f.expect("link true", "SOL-USD served true")
}

func TestPricesAndHeartbeats(t *testing.T) {
	f := start(t, "BTC-USD", "ETH-USD")
	c := f.exchange.AcceptCoinbase()
	f.expect("link true")
	c.Send(trade("BTC-USD", "84737.5800", 10, 1700000000))
	c.Heartbeat("ETH-USD")
	c.Send(trade("ETH-USD", "1.5e-7", 3, 1700000001))
	c.Send(trade("DOGE-USD", "1", 4, 1700000001)) // not asked for
	c.Heartbeat("DOGE-USD")
	c.Send(`{"type":"auction","product_id":"BTC-USD","price":{}}`)
	c.SendFragments(`{"type":"ticker","product_id":"BTC-USD",`, `"price":"2","sequence":11,`, `"time":"`+at(1700000002)+`"}`)
	f.expect("BTC-USD 84737.5800 1700000000", "ETH-USD served true", "ETH-USD 0.00000015 1700000001", "BTC-USD 2 1700000002")
	f.stop()
	f.expect("link false")
	if got := f.source.Stats(); got.Bad != 0 || got.Outdated != 0 || got.Messages != 8 {
		t.Errorf("%+v", got)
	}
	if got := c.Ended(); got != ws.StatusNormalClosure {
		t.Errorf("closed with %d", got)
	}
}

func TestSequences(t *testing.T) {
	f := start(t, "BTC-USD", "ETH-USD")
	c := f.exchange.AcceptCoinbase()
	c.Send(trade("BTC-USD", "1", 10, 1700000000))
	c.Send(trade("BTC-USD", "2", 10, 1700000001)) // a duplicate
	c.Send(trade("BTC-USD", "3", 9, 1700000001))  // late
	c.Send(trade("ETH-USD", "4", 5, 1700000000))  // each product has its own
	c.Send(trade("BTC-USD", "5", 12, 1700000001)) // numbers are skipped
	f.expect("link true", "BTC-USD 1 1700000000", "ETH-USD 4 1700000000", "BTC-USD 5 1700000001")
	c.Drop()
	f.expect("link false", "link true")
	c = f.exchange.AcceptCoinbase()
	c.Send(trade("ETH-USD", "6", 5, 1699999999)) // older than what was known
	c.Send(trade("ETH-USD", "7", 6, 1700000002))
	c.Send(trade("BTC-USD", "8", 2, 1700000001)) // a sequence begun anew
	f.expect("ETH-USD 7 1700000002", "BTC-USD 8 1700000001")
	if got := f.source.Stats(); got.Outdated != 3 || got.Bad != 0 || got.Connects != 2 {
		t.Errorf("%+v", got)
	}
}

func TestTimesThatCannotBe(t *testing.T) {
	f := start(t, "BTC-USD")
	c := f.exchange.AcceptCoinbase()
	f.expect("link true")
	for i, when := range []string{"", "yesterday", "2126-10-03T20:58:31.127510Z", "0001-01-01T00:00:00Z"} {
		before := time.Now().Unix()
		c.Send(exchangetest.CoinbaseTicker("BTC-USD", "1", uint64(i+1), when))
		var timestamp int64
		if _, err := fmt.Sscanf(<-f.news, "BTC-USD 1 %d", &timestamp); err != nil {
			t.Fatal(err)
		}
		if timestamp < before || timestamp > time.Now().Unix() {
			t.Errorf("%q: %d, want the time of receipt", when, timestamp)
		}
	}
}

// An unknown product is told by an error; the list of subscriptions lacks it.
func TestUnknownProduct(t *testing.T) {
	f := start(t, "BTC-USD", "XYZ-USD", "ETH-USD")
	c := f.exchange.AcceptCoinbase("XYZ-USD")
	f.expect("link true", "XYZ-USD served false")
	c.Send(trade("BTC-USD", "1", 10, 1700000000))
	c.Heartbeat("XYZ-USD") // not to be believed: prices will not come
	c.Heartbeat("ETH-USD")
	f.expect("BTC-USD 1 1700000000", "ETH-USD served true")
	c.Drop()
	f.expect("link false", "link true")
	f.exchange.AcceptCoinbase().Heartbeat("XYZ-USD") // listed by now
	f.expect("XYZ-USD served true")
}

// A refusal holds until the exchange lists the product again, and no longer than
// the connection.
func TestRefusalEnds(t *testing.T) {
	f := start(t, "BTC-USD")
	c := f.exchange.AcceptCoinbase()
	for range 2 {
		c.Error("BTC-USD is delisted")
		c.Heartbeat("BTC-USD")
		c.Subscriptions("BTC-USD")
		c.Heartbeat("BTC-USD")
	}
	f.expect("link true", "BTC-USD served false", "BTC-USD served true", "BTC-USD served false", "BTC-USD served true")
	c.Error("BTC-USD is delisted")
	c.Drop()
	f.expect("BTC-USD served false", "link false", "link true")
	unanswered := f.exchange.Accept()
	unanswered.Send(`{"type":"heartbeat","product_id":"BTC-USD"}`)
	f.expect("BTC-USD served true")
}

func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		send string
		want []string
	}{
		"invalid":        {`{"type":"error","message":"Failed to subscribe","reason":"ETH-USD is not a valid product"}`, []string{"ETH-USD served false"}},
		"in the message": {`{"type":"error","message":"ETH-USD: failed to subscribe"}`, []string{"ETH-USD served false"}},
		"two":            {`{"type":"error","reason":"BTC-USD, ETH-USD are delisted"}`, []string{"BTC-USD served false", "ETH-USD served false"}},
		"none":           {`{"type":"error","message":"Failed to subscribe","reason":"too many requests"}`, nil},
		"another":        {`{"type":"error","reason":"ETH-USDC is delisted"}`, nil},
		"not listed":     {`{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["BTC-USD"]},{"name":"heartbeat","product_ids":["BTC-USD","ETH-USD"]}]}`, []string{"ETH-USD served false"}},
		"another name":   {`{"type":"subscriptions","channels":[{"name":"ticker_1000","product_ids":["BTC-USD","ETH-USD"]}]}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, "BTC-USD", "ETH-USD")
			c := f.exchange.AcceptCoinbase()
			c.Trade("ETH-USD", "1")
			c.Trade("BTC-USD", "1")
			f.expect("link true")
			<-f.news
			<-f.news
			c.Send(tt.send) // in mid-stream
			c.Send(tt.send)
			c.Send(trade("BTC-USD", "3", 1<<60, 1700000000))
			f.expect(append(tt.want, "BTC-USD 3 1700000000")...)
			c.Send(trade("ETH-USD", "4", 1<<60, 1700000000)) // a price shows that it is served
			c.Heartbeat("ETH-USD")
			f.expect("ETH-USD 4 1700000000", "ETH-USD served true")
		})
	}
}

func TestGarbage(t *testing.T) {
	f := start(t, "BTC-USD")
	c := f.exchange.AcceptCoinbase()
	c.Send(trade("BTC-USD", "1", 1, 1700000000))
	for _, garbage := range []string{
		"", "garbage", "null", "[]", "{}", `{"type":7}`, `{"type":"ticker"`, `{"type":"ticker"}`, "\xff\xfe", strings.Repeat("[", 100_000),
		`{"type":"ticker","product_id":"BTC-USD","sequence":2,"price":null}`,
		`{"type":"ticker","product_id":"BTC-USD","sequence":2,"price":""}`,
		`{"type":"ticker","product_id":"BTC-USD","sequence":2,"price":"0"}`,
		`{"type":"ticker","product_id":"BTC-USD","sequence":2,"price":"-1"}`,
		`{"type":"ticker","product_id":"BTC-USD","sequence":2,"price":"1e50"}`,
		`{"type":"ticker","product_id":["BTC-USD"],"sequence":2,"price":"2"}`,
		`{"type":"ticker","product_id":"BTC-USD","sequence":"2","price":"2"}`,
	} {
		c.Send(garbage)
	}
	c.SendFrame(ws.NewBinaryFrame([]byte{0, 1, 2}))
	c.Send(trade("BTC-USD", "2", 2, 1700000000))
	f.expect("link true", "BTC-USD 1 1700000000", "BTC-USD 2 1700000000")
	if got := f.source.Stats(); got.Bad != 18 || got.Connects != 1 {
		t.Errorf("%+v", got)
	}
	f.stop()
	logged := 0
	for range len(f.log) {
		if <-f.log == "bad message from the exchange" {
			logged++
		}
	}
	if logged != 3 {
		t.Errorf("%d of them are logged", logged)
	}
}

func TestReconnects(t *testing.T) {
	f := start(t, "BTC-USD")
	for i, end := range []func(c *exchangetest.Coinbase){
		func(c *exchangetest.Coinbase) { c.Drop() },
		func(c *exchangetest.Coinbase) { c.Close(1001, "going away") },
		func(c *exchangetest.Coinbase) { c.Error("ErrSlowConsume"); c.Close(1000, "") },
		func(c *exchangetest.Coinbase) { c.SendRaw([]byte{0x81, 126, 1}); c.Drop() },
		func(c *exchangetest.Coinbase) { c.Send(strings.Repeat("x", 2<<20)) },
		func(c *exchangetest.Coinbase) { f.exchange.Refuse(503, nil); c.Drop() },
	} {
		c := f.exchange.AcceptCoinbase()
		f.expect("link true")
		price := fmt.Sprintf("%d.50", i+1)
		c.Send(trade("BTC-USD", price, 1, 1700000000+int64(i)))
		f.expect(fmt.Sprintf("BTC-USD %s %d", price, 1700000000+i))
		end(c)
		f.expect("link false")
	}
	f.exchange.AcceptCoinbase()
	f.expect("link true")
	if got := f.source.Stats(); got.Attempts != 8 || got.Connects != 7 {
		t.Errorf("%+v", got)
	}
}

// The exchange's limits are 8 connections and 100 messages a second.
func TestTermsAreWithinTheLimits(t *testing.T) {
	terms := terms()
	if terms.ConnectEvery < time.Second/8 || terms.MessageEvery < time.Second/100 || terms.Silence < 5*time.Second || requestEvery < time.Second/10 {
		t.Errorf("%+v", terms)
	}
}

func TestNewNeedsNoNetwork(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(Defaults(), []ticker.Symbol{"BTC-USD"}, slog.New(slog.DiscardHandler)).Run(ctx, make(news)); err != nil {
		t.Error(err)
	}
}
