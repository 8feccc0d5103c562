package exchangetest_test

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"tickerd/pricefeed/binance"
	"tickerd/pricefeed/coinbase"
	"tickerd/pricefeed/exchangetest"
	"tickerd/pricefeed/kraken"
)

// What they say is what the adapters' golden frames document.

func TestCoinbase(t *testing.T) {
	s := exchangetest.New(t)
	client := dial(t, s)
	write(t, client, ws.OpText, `{"type":"subscribe","product_ids":["BTC-USD","XYZ-USD"],"channels":["ticker","heartbeat"]}`)
	c := s.AcceptCoinbase("XYZ-USD")
	if !slices.Equal(c.Products, []string{"BTC-USD"}) {
		t.Errorf("subscribed: %v", c.Products)
	}
	c.Trade("BTC-USD", "84737.580")
	c.Heartbeat("BTC-USD")
	c.Trade("BTC-USD", "84737.59")
	decode := func() coinbase.Frame {
		f, err := coinbase.Decode([]byte(read(t, client)))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if f := decode(); f.Reason != "Failed to subscribe: XYZ-USD is not a valid product" {
		t.Errorf("%+v", f)
	}
	if f := decode(); f.Type != coinbase.TypeSubscriptions || len(f.Served) != 1 {
		t.Errorf("%+v", f)
	}
	first := decode()
	if first.Product != "BTC-USD" || first.Price != "84737.580" || time.Since(first.Time) > time.Minute {
		t.Errorf("%+v", first)
	}
	if f := decode(); f.Type != coinbase.TypeHeartbeat || f.Product != "BTC-USD" {
		t.Errorf("%+v", f)
	}
	if f := decode(); f.Price != "84737.59" || f.Sequence <= first.Sequence {
		t.Errorf("%+v after %+v", f, first)
	}

	write(t, client, ws.OpText, `{"type":"subscribe","product_ids":["ETH-USD"],"channels":["ticker","heartbeat"]}`)
	if got := c.Subscribed(); !slices.Equal(got, []string{"ETH-USD"}) {
		t.Errorf("subscribed: %v", got)
	}
	if f := decode(); !slices.Equal(f.Served, []string{"BTC-USD", "ETH-USD"}) {
		t.Errorf("%+v", f)
	}
	write(t, client, ws.OpText, `{"type":"unsubscribe","product_ids":["BTC-USD"],"channels":["ticker","heartbeat"]}`)
	if got := c.Unsubscribed(); !slices.Equal(got, []string{"BTC-USD"}) || !slices.Equal(c.Products, []string{"ETH-USD"}) {
		t.Errorf("unsubscribed: %v, left: %v", got, c.Products)
	}
	if f := decode(); !slices.Equal(f.Served, []string{"ETH-USD"}) {
		t.Errorf("%+v", f)
	}
}

func TestKraken(t *testing.T) {
	s := exchangetest.New(t)
	client := dial(t, s)
	write(t, client, ws.OpText, `{"method":"ping"}`)
	write(t, client, ws.OpText, `{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD","XBT/USD"],"event_trigger":"bbo","snapshot":true}}`)
	c := s.AcceptKraken("XBT/USD")
	if !slices.Equal(c.Symbols, []string{"BTC/USD"}) {
		t.Errorf("subscribed: %v", c.Symbols)
	}
	c.Snapshot("BTC/USD", "84737.580")
	c.Heartbeat()
	c.Trade("BTC/USD", "1.5e-7")
	decode := func() (f kraken.Frame) {
		if err := f.Decode([]byte(read(t, client))); err != nil {
			t.Fatal(err)
		}
		return f
	}
	if f := decode(); f.System != "online" {
		t.Errorf("%+v", f)
	}
	if f := decode(); f.Method != "pong" {
		t.Errorf("%+v", f)
	}
	if f := decode(); f.Method != "subscribe" || f.Symbol != "BTC/USD" || f.Error != "" {
		t.Errorf("%+v", f)
	}
	if f := decode(); f.Symbol != "XBT/USD" || f.Error != "Currency pair not supported XBT/USD" {
		t.Errorf("%+v", f)
	}
	for _, price := range []string{"84737.580", "", "0.00000015"} {
		switch f := decode(); {
		case price == "":
			if f.Channel != kraken.ChannelHeartbeat {
				t.Errorf("%+v", f)
			}
		case len(f.Tickers) != 1 || string(f.Tickers[0].Last) != price || time.Since(f.Tickers[0].Time) > time.Minute:
			t.Errorf("%+v", f)
		}
	}

	write(t, client, ws.OpText, `{"method":"ping","req_id":7}`)
	c.Pinged()
	if got, want := read(t, client), `{"method":"pong","req_id":7,`; got[:len(want)] != want {
		t.Errorf("got %s", got)
	}
	write(t, client, ws.OpText, `{"method":"subscribe","params":{"channel":"ticker","symbol":["ETH/USD"]}}`)
	if got := c.Subscribed(); !slices.Equal(got, []string{"ETH/USD"}) {
		t.Errorf("subscribed: %v", got)
	}
	if f := decode(); f.Method != "subscribe" || f.Symbol != "ETH/USD" {
		t.Errorf("%+v", f)
	}
	write(t, client, ws.OpText, `{"method":"unsubscribe","params":{"channel":"ticker","symbol":["BTC/USD"]}}`)
	if got := c.Unsubscribed(); !slices.Equal(got, []string{"BTC/USD"}) || !slices.Equal(c.Symbols, []string{"ETH/USD"}) {
		t.Errorf("unsubscribed: %v, left: %v", got, c.Symbols)
	}
	if f := decode(); f.Method != "unsubscribe" || f.Symbol != "BTC/USD" || f.Error != "" {
		t.Errorf("%+v", f)
	}
	c.Status("maintenance")
	if f := decode(); f.System != "maintenance" {
		t.Errorf("%+v", f)
	}
}

func TestBinance(t *testing.T) {
	s := exchangetest.New(t)
	client := dial(t, s)
	write(t, client, ws.OpText, `{"method":"GET_PROPERTY","params":["combined"],"id":0}`)
	write(t, client, ws.OpText, `{"method":"SUBSCRIBE","params":["btcusdt@ticker","etheur@ticker"],"id":1}`)
	c := s.AcceptBinance()
	if !slices.Equal(c.Streams, []string{"btcusdt@ticker", "etheur@ticker"}) {
		t.Errorf("subscribed: %v", c.Streams)
	}
	for _, want := range []string{`{"result":true,"id":0}`, `{"result":null,"id":1}`} {
		if got := read(t, client); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	c.Trade("BTCUSDT", "84737.58000000")
	c.Error(2, "Invalid request")
	c.Shutdown()
	decode := func() binance.Frame {
		f, err := binance.Decode([]byte(read(t, client)))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if f := decode(); f.Market != "BTCUSDT" || f.Price != "84737.58000000" || time.Since(f.Time) > time.Minute {
		t.Errorf("%+v", f)
	}
	if f := decode(); f.Error != "2: Invalid request" {
		t.Errorf("%+v", f)
	}
	if f := decode(); f.Type != binance.TypeShutdown {
		t.Errorf("%+v", f)
	}

	write(t, client, ws.OpText, `{"method":"UNSUBSCRIBE","params":["btcusdt@ticker"],"id":2}`)
	if got := c.Unsubscribed(); !slices.Equal(got, []string{"btcusdt@ticker"}) || !slices.Equal(c.Streams, []string{"etheur@ticker"}) {
		t.Errorf("unsubscribed: %v, left: %v", got, c.Streams)
	}
	write(t, client, ws.OpText, `{"method":"GET_PROPERTY","params":["combined"],"id":3}`)
	c.Asked()
	for _, want := range []string{`{"result":null,"id":2}`, `{"result":true,"id":3}`} {
		if got := read(t, client); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	c.Ping("1790000000000")
	pong(t, client)
	c.Ponged("1790000000000")
}

// pong answers a ping.
func pong(t *testing.T, client net.Conn) {
	t.Helper()
	h, err := ws.ReadHeader(client)
	if err != nil || h.OpCode != ws.OpPing {
		t.Fatalf("got %v, %v", h, err)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(client, payload); err != nil {
		t.Fatal(err)
	}
	write(t, client, ws.OpPong, string(payload))
}
