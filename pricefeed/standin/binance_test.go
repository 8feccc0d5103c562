package standin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

const binanceSubscribe = `{"method":"SUBSCRIBE","params":["btcusdt@ticker"],"id":1}`

func TestBinance(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/binance?streams=solusdt@ticker")
	c.write(`{"method":"SUBSCRIBE","params":["btcusdt@ticker","BTCUSDT@ticker","ethusdt@depth"],"id":"one"}`)
	if got := c.until("result"); got != `{"result":null,"id":"one"}` {
		t.Errorf("got %s", got)
	}
	c.write(`{"method":"LIST_SUBSCRIPTIONS","id":3}`)
	if got := c.until("result"); got != `{"result":["solusdt@ticker","btcusdt@ticker"],"id":3}` {
		t.Errorf("got %s", got)
	}
	c.write(`{"method":"GET_PROPERTY","params":["combined"],"id":0}`)
	if got := c.until("result"); got != `{"result":true,"id":0}` {
		t.Errorf("got %s", got)
	}
	like(t, c.until(`{"stream":"btcusdt@ticker","data":{"e":"24hrTicker"`),
		`{"stream":"btcusdt@ticker","data":{"e":"24hrTicker","E":1672515782136,"s":"BNBBTC","p":"0.0015","P":"250.00","w":"0.0018","x":"0.0009",`+
			`"c":"0.0025","Q":"10","b":"0.0024","B":"10","a":"0.0026","A":"100","o":"0.0010","h":"0.0025","l":"0.0010","v":"10000","q":"18",`+
			`"O":0,"C":86400000,"F":0,"L":18150,"n":18151}}`)
	c.write(`{"method":"UNSUBSCRIBE","params":["btcusdt@ticker"],"id":null}`)
	if got := c.until("result"); got != `{"result":null,"id":null}` {
		t.Errorf("got %s", got)
	}
	if got := c.until("@ticker"); !strings.Contains(got, "solusdt") {
		t.Errorf("after the end: %s", got)
	}
	for request, want := range map[string]string{
		`{"method":`: `{"code":3,"msg":"Invalid JSON`,
		`{"method":"GET_PROPERTY","params":["color"],"id":1}`: `{"code":0,"msg":"Unknown property"`,
		`{"id":1}`:               "{\"code\":2,\"msg\":\"Invalid request: missing field `method`",
		`{"method":"GO","id":1}`: "{\"code\":2,\"msg\":\"Invalid request: unknown variant `GO`",
	} {
		c = s.dial("/binance")
		c.write(request)
		if got := c.read(); !strings.HasPrefix(got, want) {
			t.Errorf("to %s: %s", request, got)
		}
	}
}

// A second is the least between two messages of a stream.
func TestBinancePace(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/binance")
	c.write(binanceSubscribe)
	times := func() int64 {
		n := fields(t, c.until("24hrTicker"))["data"].(map[string]any)["E"].(interface{ Int64() (int64, error) })
		ms, err := n.Int64()
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	first := times()
	second := times()
	if second-first < 900 {
		t.Errorf("%d ms after another", second-first)
	}
}

func TestBinancePing(t *testing.T) {
	s := run(t, brisk())
	v := s.venue("binance")
	answering, other := s.dial("/binance"), s.dial("/binance")
	for _, c := range []*client{answering, other} {
		c.write(binanceSubscribe)
		c.until("result")
	}
	start := time.Now()
	ping := func(c *client) []byte {
		for {
			f, err := c.frame()
			if err != nil {
				t.Fatal(err)
			}
			if f.Header.OpCode == ws.OpPing {
				return f.Payload
			}
		}
	}
	v.round(start.Add(21 * time.Second))
	first := ping(answering)
	if len(first) == 0 {
		t.Error("a ping without a payload")
	}
	ping(other)
	if err := wsutil.WriteClientMessage(answering, ws.OpPong, first); err != nil {
		t.Fatal(err)
	}
	if err := wsutil.WriteClientMessage(other, ws.OpPong, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	answering.write(`{"method":"LIST_SUBSCRIPTIONS","id":1}`) // the pong has been taken before
	answering.until("result")
	other.write(`{"method":"LIST_SUBSCRIPTIONS","id":1}`)
	other.until("result")
	v.round(start.Add(82 * time.Second))
	if code, reason := other.closed(); code != ws.StatusPolicyViolation || reason != "Pong timeout" {
		t.Errorf("closed with %d %q", code, reason)
	}
	ping(answering)
}

func TestBinanceLife(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/binance")
	c.write(binanceSubscribe)
	c.until("result")
	s.venue("binance").round(time.Now().Add(24*time.Hour + time.Second))
	if code, _ := c.closed(); code != ws.StatusGoingAway {
		t.Errorf("closed with %d", code)
	}
}

func TestBinanceStreams(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/binance")
	var streams []string
	for i := range maxStreams + 1 {
		streams = append(streams, fmt.Sprintf(`"a%dusdt@ticker"`, i))
	}
	subscribe := func(list []string) {
		c.write(`{"method":"SUBSCRIBE","params":[` + strings.Join(list, ",") + `],"id":1}`)
	}
	subscribe(streams[:maxStreams])
	c.until("result")
	subscribe(streams[maxStreams:])
	if code, _ := c.closed(); code != ws.StatusPolicyViolation {
		t.Errorf("closed with %d", code)
	}
}
