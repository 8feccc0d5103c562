package standin

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

func TestConfig(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []Config{{Rate: 0}, {Rate: -1}, {Rate: math.NaN()}, {Rate: maxRate + 1}, {Rate: 1, Life: -1}, {Rate: 1, Faults: []Fault{{Kind: faultRefuse}}}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestSettings(t *testing.T) {
	got := strings.Join(Settings(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8090}), "\n")
	want := `TICKERD_PRICEFEED_COINBASE_URL=ws://127.0.0.1:8090/coinbase
TICKERD_PRICEFEED_COINBASE_REST=http://127.0.0.1:8090/coinbase
TICKERD_PRICEFEED_KRAKEN_URL=ws://127.0.0.1:8090/kraken
TICKERD_PRICEFEED_KRAKEN_REST=http://127.0.0.1:8090/kraken
TICKERD_PRICEFEED_BINANCE_URL=ws://127.0.0.1:8090/binance
TICKERD_PRICEFEED_BINANCE_REST=http://127.0.0.1:8090/binance`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

// What is against the protocol is answered with the code for it.
func TestBreaches(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes []byte
		code  ws.StatusCode
	}{
		"not masked":  {ws.MustCompileFrame(ws.NewTextFrame([]byte("{}"))), ws.StatusProtocolError},
		"too big":     {[]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0}, ws.StatusMessageTooBig},
		"closed":      {ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(4001, "bye")))), 4001},
		"no reason":   {ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(nil))), ws.StatusNoStatusRcvd},
		"two at once": {ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpContinuation, true, nil))), ws.StatusProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			s := run(t, brisk())
			c := s.dial("/coinbase")
			if _, err := c.Write(tt.bytes); err != nil {
				t.Fatal(err)
			}
			if code, _ := c.closed(); code != tt.code && (tt.code != ws.StatusNoStatusRcvd || code != 0) {
				t.Errorf("closed with %d", code)
			}
		})
	}
}

// A message may come in pieces, with a ping between.
func TestFragments(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/coinbase")
	for _, f := range []ws.Frame{
		ws.NewFrame(ws.OpText, false, []byte(coinbaseSubscribe[:20])),
		ws.NewPingFrame([]byte("hello")),
		ws.NewFrame(ws.OpContinuation, true, []byte(coinbaseSubscribe[20:])),
	} {
		if err := ws.WriteFrame(c, ws.MaskFrame(f)); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := c.frame(); err != nil || f.Header.OpCode != ws.OpPong || string(f.Payload) != "hello" {
		t.Errorf("got %v, %v", f, err)
	}
	c.until("subscriptions")
}

// Who does not read is dropped when there is too much for it, and costs the others nothing.
func TestStuckClient(t *testing.T) {
	s := run(t, brisk())
	stuck, c := s.subscribed(), s.subscribed()
	for range 20 { // 40 MiB: more than anybody keeps
		s.fault("coinbase:huge=1")
		c.until("xxxx")
	}
	stuck.closed()
	c.until(`"type":"ticker"`)
}

// BenchmarkTrades is of the work for a trade: of 2,000 symbols, to one connection.
func BenchmarkTrades(b *testing.B) {
	for _, x := range []exchange{newCoinbase(), newKraken()} {
		b.Run(x.name, func(b *testing.B) {
			config := Defaults()
			config.Rate = 10
			s, err := New(config)
			if err != nil {
				b.Fatal(err)
			}
			v := newVenue(x, s.config)
			c := &conn{venue: v, woken: make(chan struct{}, 1)}
			ch := channel{name: "ticker", prices: true}
			for i := range 2000 {
				name := fmt.Sprintf("A%d-USD", i)
				if x.name == krakenName {
					name = fmt.Sprintf("A%d/USD", i)
				}
				m, _ := v.market(name)
				v.subscribe(c, ch, m)
			}
			v.regroup()
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(50 * time.Microsecond) // at 20,000 a second, one
				v.trade(now)
				c.queue = c.queue[:0]
			}
		})
	}
}

// BenchmarkServe is of 2,000 symbols and 20,000 trades a second, over a real socket.
func BenchmarkServe(b *testing.B) {
	config := Defaults()
	config.Rate, config.Unlimited = 10, true
	s := run(b, config)
	c := s.dial("/coinbase")
	if err := c.SetDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	var products []string
	for i := range 2000 {
		products = append(products, fmt.Sprintf("A%d-USD", i))
	}
	list, err := json.Marshal(products)
	if err != nil {
		b.Fatal(err)
	}
	request := fmt.Sprintf(`{"type":"subscribe","product_ids":%s,"channels":["ticker"]}`, list)
	if err := wsutil.WriteClientText(c, []byte(request)); err != nil {
		b.Fatal(err)
	}
	for range 2001 {
		c.read()
	}
	start := time.Now()
	for b.Loop() {
		c.read()
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "messages/s")
}
