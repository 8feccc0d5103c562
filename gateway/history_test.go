package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tickerd/bus"
)

const unavailable = `{"error":"history unavailable"}`

// history answers what is asked on a subject, and gives the questions.
func (w *world) history(subject, answer string) (asked <-chan string) {
	w.Helper()
	questions := make(chan string, 1<<10)
	sub, err := w.bus.Subscribe(subject, func(m *bus.Msg) {
		questions <- string(m.Data)
		if err := w.bus.Publish(m.Reply, []byte(answer)); err != nil {
			w.Error(err)
		}
	})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := sub.Unsubscribe(); err != nil {
			w.Error(err)
		}
	})
	w.flush()
	return questions
}

// Candles are asked for as they were asked of us, and passed on with every digit.
func TestCandles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	get := func(query string) request {
		return get("/api/v1/candles?" + query).and("Authorization: Bearer " + w.sign("ann", roleNoXRP))
	}
	const good = "symbol=btc-usd&interval=1m"
	got := w.ask(first, get(good))
	if wantReply(t, got, 503, unavailable); got.header.Get("Retry-After") == "" {
		t.Errorf("got %+v", got)
	}

	const data = `[[1700000000,42000.10,42010.0,0.000000001,12345678901234567890.5],[1700000060,1,1,1,1]]`
	asked := w.history(bus.PriceCandles, `{"symbol":"BTC-USD","interval":"1m","data":`+data+`}`)
	for query, question := range map[string]string{
		good:                           `{"symbol":"BTC-USD","interval":"1m","limit":500}`,
		good + "&limit=&end=":          `{"symbol":"BTC-USD","interval":"1m","limit":500}`,
		good + "&limit=1500":           `{"symbol":"BTC-USD","interval":"1m","limit":1500}`,
		good + "&limit=1&end=17000001": `{"symbol":"BTC-USD","interval":"1m","limit":1,"end":17000001}`,
	} {
		wantReply(t, w.ask(first, get(query)), 200, `{"symbol":"BTC-USD","interval":"1m","data":`+data+`}`)
		if got := <-asked; got != question {
			t.Errorf("%s: asked %s, want %s", query, got, question)
		}
	}
	if got := w.ask(first, get(good).by("HEAD")); got.status != 200 {
		t.Errorf("HEAD: %+v", got)
	}
	<-asked

	for _, c := range []struct{ query, names string }{
		{"interval=1m", "symbol"},
		{"symbol=&interval=1m", "symbol"},
		{"symbol=BTCUSD&interval=1m", "symbol"},
		{"symbol=*&interval=1m", "symbol"},
		{"symbol=BTC-USD", "interval"},
		{"symbol=BTC-USD&interval=", "interval"},
		{"symbol=BTC-USD&interval=5m", "interval"},
		{"symbol=BTC-USD&interval=1M", "interval"},
		{good + "&limit=0", "limit"},
		{good + "&limit=1501", "limit"},
		{good + "&limit=-1", "limit"},
		{good + "&limit=1e2", "limit"},
		{good + "&end=0", "end"},
		{good + "&end=-5", "end"},
		{good + "&end=now", "end"},
		{good + "&end=1700000000000", "end"},
		{good + "&end=99999999999999999999", "end"},
	} {
		got := w.ask(first, get(c.query))
		wantNamed(t, got, 400, c.names)
	}
	wantReply(t, w.ask(first, get("symbol=xrp-usd&interval=1d")), 403, `{"error":"forbidden"}`)
	wantReply(t, w.ask(first, get(good).without("Authorization")), 401, unauthenticated)
	wantReply(t, w.ask(first, get(good).with("Authorization: Bearer "+w.sign("ann", roleOutside))), 403, `{"error":"forbidden"}`)
	if got := w.ask(first, get(good).by("POST").and("Content-Length: 0")); got.status != 405 || got.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %+v", got)
	}
	select {
	case question := <-asked:
		t.Errorf("asked %s", question)
	default:
	}
}

// Which symbols there are is known to the history; what else it says is not for
// everyone.
func TestCandlesThatThereAreNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := get("/api/v1/candles?symbol=NEW-EUR&interval=1s").and("Authorization: Bearer " + w.demo())
	for answer, want := range map[string]reply{
		`{"error":"unknown symbol"}`:  {status: 404, body: `{"error":"unknown symbol"}`},
		`{"error":"disk is on fire"}`: {status: 503, body: unavailable},
		`{}`:                          {status: 503, body: unavailable},
		`nonsense`:                    {status: 503, body: unavailable},
		`{"symbol":"NEW-EUR","interval":"1s","data":[]}`:   {status: 200, body: `{"symbol":"NEW-EUR","interval":"1s","data":[]}`},
		`{"data":[ [1,2,3,4,5] ], "later":"added fields"}`: {status: 200, body: `{"symbol":"NEW-EUR","interval":"1s","data":[ [1,2,3,4,5] ]}`},
	} {
		t.Run(answer, func(t *testing.T) {
			w := w.in(t)
			w.history(bus.PriceCandles, answer)
			wantReply(t, w.ask(first, r), want.status, want.body)
		})
	}
}

// As many candles as may be asked for fit through.
func TestCandlesAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("9", 64)
	candle := fmt.Sprintf("[1700000000,%s,%s,%s,%s]", long, long, long, long)
	body := `{"symbol":"BTC-USD","interval":"1s","data":[` + strings.TrimSuffix(strings.Repeat(candle+",", 1500), ",") + `]}`
	w.history(bus.PriceCandles, body)
	r := get("/api/v1/candles?symbol=BTC-USD&interval=1s&limit=1500").and("Authorization: Bearer " + w.demo())
	wantReply(t, w.ask(first, r), 200, body)
}

// Stats are of what the key may see, and was asked for.
func TestStats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	get := func(query string) request {
		return get("/api/v1/stats" + query).and("Authorization: Bearer " + w.sign("ann", roleNoXRP))
	}
	wantReply(t, w.ask(first, get("")), 503, unavailable)
	const btc = `{"symbol":"BTC-USD","open":41000.10,"high":42100,"low":40900.5,"last":42000.12,"change":1000.02,"change_percent":2.44,"since":1699913600}`
	const eth = `{"symbol":"ETH-USD","open":1.0,"high":1.0,"low":1.0,"last":1.0,"change":0.0,"change_percent":0.00,"since":1699913600}`
	const xrp = `{"symbol":"XRP-USD","open":1,"high":1,"low":1,"last":1,"change":0,"change_percent":0,"since":1699913600}`
	asked := w.history(bus.PriceStats, `{"data":[`+btc+","+xrp+","+eth+`]}`)
	for query, want := range map[string]string{
		"":                              btc + "," + eth,
		"?symbols=":                     btc + "," + eth,
		"?symbols=*":                    btc + "," + eth,
		"?symbols=eth-usd":              eth,
		"?symbols=BTC-USD,ETH-*,BTC-*":  btc + "," + eth,
		"?symbols=SOL-USD":              "",
		"?symbols=NOPE-USD":             "",
		"?symbols=XRP-*":                "",
		"?symbols=*-EUR&ignored=really": "",
	} {
		wantReply(t, w.ask(first, get(query)), 200, `{"data":[`+want+`]}`)
		if got := <-asked; got != "{}" {
			t.Errorf("asked %s", got)
		}
	}
	wantNamed(t, w.ask(first, get("?symbols=BTC")), 400, "symbols")
	wantReply(t, w.ask(first, get("?symbols=XRP-USD")), 403, `{"error":"forbidden"}`)
	wantReply(t, w.ask(first, get("").without("Authorization")), 401, unauthenticated)
	wantReply(t, w.ask(first, get("").with("Authorization: Bearer "+w.sign("ann", roleOutside))), 403, `{"error":"forbidden"}`)
	if got := w.ask(first, get("").by("DELETE")); got.status != 405 {
		t.Errorf("DELETE: %+v", got)
	}
}

// A history that is just starting is waited for.
func TestHistoryThatBegins(t *testing.T) {
	inBubble(t, func(w *world) {
		const page = `{"symbol":"BTC-USD","interval":"1m","data":[]}`
		answered := make(chan reply, 1)
		go func() {
			answered <- w.ask(first, get("/api/v1/candles?symbol=BTC-USD&interval=1m").and("Authorization: Bearer "+w.demo()))
		}()
		time.Sleep(time.Second)
		w.history(bus.PriceCandles, page)
		wantReply(w.TB.(*testing.T), <-answered, 200, page)
		synctest.Wait()
	})
}

// A history that does not answer is not waited for without end.
func TestHistoryThatDoesNotAnswer(t *testing.T) {
	inBubble(t, func(w *world) {
		ignored := make(chan *bus.Msg, 4)
		sub, err := w.bus.SubscribeChan("pricefeed.*", ignored)
		if err != nil {
			w.Fatal(err)
		}
		w.flush()
		for _, target := range []string{"/api/v1/stats", "/api/v1/candles?symbol=BTC-USD&interval=1s"} {
			began := time.Now()
			wantReply(w.TB.(*testing.T), w.ask(first, get(target).and("Authorization: Bearer "+w.demo())), 503, unavailable)
			wantAfter(w, began, 5*time.Second)
		}
		if err := sub.Unsubscribe(); err != nil {
			w.Error(err)
		}
		synctest.Wait()
	})
}
