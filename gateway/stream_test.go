package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/ticker"
)

// First the welcome, then a snapshot, then the ticks as they are on the bus.
func TestStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	early := w.open(upgrade(w.demo()))
	m := early.welcome()
	want := fmt.Sprintf(`{"type":"welcome","user_id":"user:demo","conn_id":%q,"symbols":["*"],"interval_ms":0,"expires_in":%d}`, m.ConnID, m.ExpiresIn)
	if m.raw != want || m.ExpiresIn < 3590 || m.ExpiresIn > 3600 {
		t.Errorf("got  %s\nwant %s", m.raw, want)
	}
	if m := early.snapshot(); m.raw != fmt.Sprintf(`{"type":"ticker","snapshot":true,"seq":0,"ts":%d,"data":[]}`, m.TS) || m.TS == 0 {
		t.Errorf("got %s", m.raw)
	}
	early.want(
		w.tick("BTC-USD=42000.12", "ETH-USD=2500.00"),
		w.tick("ETH-USD=0.00000001"),
		w.tick("NEW-EUR=12345678901234567890.123456789"),
	)
	// Other spellings of a tick pass as they are, too.
	w.seq++
	odd := fmt.Sprintf(`{ "seq":%d, "type":"ticker", "ts":9, "x":[], "data":[ {"timestamp":1,"symbol":"BTC-USD","price":1} ] }`, w.seq)
	w.publishTick(odd, 1)
	early.want(odd)

	late := w.connect(upgrade(w.demo()))
	const all = `{"type":"ticker","snapshot":true,"seq":4,"ts":9,"data":[{"timestamp":1,"symbol":"BTC-USD","price":1},` +
		`{"symbol":"ETH-USD","price":0.00000001,"timestamp":1700000000},{"symbol":"NEW-EUR","price":12345678901234567890.123456789,"timestamp":1700000000}]}`
	late.want(all)
	next := w.tick("BTC-USD=2")
	early.want(next)
	late.want(next)
}

// A client that sees some symbols gets of each tick what changed of those, and
// nothing of the others.
func TestStreamOfSome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tick("BTC-USD=1", "ETH-USD=1", "SOL-USD=1")
	c := w.connect(upgrade(w.demo()).query("symbols", "ETH-USD,sol-*"))
	if m := c.snapshot(); m.prices() != "ETH-USD=1 SOL-USD=1" {
		t.Errorf("got %s", m.raw)
	}
	w.tick("BTC-USD=2", "ETH-USD=2", "XRP-USD=2")
	c.want(tickOf(2, "ETH-USD=2"))
	w.tick("BTC-USD=3")
	c.want(w.tick("ETH-USD=4", "SOL-USD=4")) // whole: as on the bus
	w.tick("SOL-EUR=5", "BTC-USD=5", "ETH-USD=5")
	c.want(tickOf(5, "ETH-USD=5", "SOL-EUR=5")) // in the order in which they appeared first
}

// A client may change what it sees; every answer stands where it takes effect.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tick("BTC-USD=1", "ETH-USD=1")
	c := w.begin(upgrade(w.demo()).query("symbols", "BTC-USD"))
	c.say(`{"type":"subscribe","symbols":["eth-*"],"id":"a"}`)
	c.want(`{"type":"subscribed","id":"a","symbols":["BTC-USD","ETH-*"],"interval_ms":0}`)
	if m := c.snapshot(); m.prices() != "BTC-USD=1 ETH-USD=1" || m.Seq != 1 {
		t.Errorf("got %s", m.raw)
	}
	c.want(w.tick("BTC-USD=2", "ETH-USD=2"))
	c.say(`{"type":"unsubscribe","symbols":["BTC-USD"],"id":2}`)
	c.want(`{"type":"unsubscribed","id":2,"symbols":["ETH-*"]}`)
	w.tick("BTC-USD=3")
	c.want(w.tick("ETH-USD=3"))
	c.say(`{"type":"subscribe","symbols":["NOPE-USD"],"id":3}`)
	if m := c.next(); m.Code != "bad_symbol" || !strings.Contains(m.Message, "NOPE-USD") || string(m.ID) != "3" {
		t.Errorf("got %s", m.raw)
	}
	c.want(w.tick("ETH-USD=4"))
	c.say(`{"type":"unsubscribe","symbols":["*"]}`)
	c.want(`{"type":"unsubscribed","symbols":[]}`)
	w.tick("ETH-USD=5")
	c.say(`{"type":"subscribe","symbols":["XRP-USD"]}`)
	c.want(`{"type":"subscribed","symbols":["XRP-USD"],"interval_ms":0}`)
	if m := c.snapshot(); len(m.Data) != 0 || m.Seq != 6 {
		t.Errorf("got %s", m.raw)
	}
	c.want(w.tick("XRP-USD=6"))
}

// Whatever a client subscribes to and unsubscribes from while prices come, what
// it shows after each message is the truth of that message's seq: nothing was
// left out, and nothing came that it does not see.
func TestNothingIsLeftOut(t *testing.T) {
	t.Parallel()
	w := calm(t)
	names := []string{"BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD"}
	rng := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	truth := map[uint64]map[string]string{0: {}}
	stop := w.publisher(func() (stop bool) {
		mu.Lock()
		defer mu.Unlock()
		now := maps.Clone(truth[w.seq])
		var prices []string
		for _, name := range names {
			if rng.IntN(2) == 0 {
				now[name] = fmt.Sprint(rng.IntN(1000))
				prices = append(prices, name+"="+now[name])
			}
		}
		truth[w.seq+1] = now
		w.tick(prices...)
		return false
	})
	defer stop()

	var clients sync.WaitGroup
	defer clients.Wait()
	for i := range 4 {
		clients.Go(func() {
			w := w.in(t)
			rng := rand.New(rand.NewPCG(3, uint64(i)))
			c := w.open(upgrade(w.demo()))
			rules := ticker.Rules(c.welcome().Symbols)
			shown := map[string]string{}
			var seq uint64
			snapshot, pending := true, false // the next ticker must be a snapshot; an answer is to come
			for changes := 0; changes < 60; {
				if !pending {
					verb := []string{"subscribe", "unsubscribe"}[rng.IntN(2)]
					c.say(fmt.Sprintf(`{"type":%q,"symbols":[%q]}`, verb, slices.Concat(names, []string{"*", "*-USD", "E*", "*X*"})[rng.IntN(8)]))
					pending = true
				}
				switch m := c.next(); m.Type {
				case "subscribed", "unsubscribed":
					rules, pending, snapshot = m.Symbols, false, m.Type == "subscribed"
					changes++
				case "ticker":
					if m.Snapshot {
						shown = map[string]string{}
					} else if snapshot || m.Seq <= seq {
						t.Errorf("client %d: want a snapshot (%t) or more than %d: %s", i, snapshot, seq, m.raw)
						return
					}
					snapshot, seq = false, m.Seq
					for _, p := range m.Data {
						shown[p.Symbol] = p.Price.String()
						if !rules.Match(ticker.Symbol(p.Symbol)) {
							t.Errorf("client %d: %v do not match %s", i, rules, m.raw)
						}
					}
					mu.Lock()
					now := truth[seq]
					mu.Unlock()
					for name, price := range now {
						if rules.Match(ticker.Symbol(name)) && shown[name] != price {
							t.Errorf("client %d: at %d %s is %s, and it shows %s", i, seq, name, price, shown[name])
							return
						}
					}
				default:
					t.Errorf("client %d: got %s", i, m.raw)
					return
				}
			}
			c.Close()
		})
	}
}

// publisher calls publish until it says so, or is stopped, every 2 ms: ticks
// come while something else is done.
func (w *world) publisher(publish func() (stop bool)) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		beat := time.NewTicker(2 * time.Millisecond)
		defer beat.Stop()
		for !publish() {
			select {
			case <-beat.C:
			case <-done:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(done)
		<-ended
	})
}

// A client that comes back is given what it has missed, or told that it is not.
func TestResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	witness := w.begin(upgrade(w.demo()))
	var ticks []string // by seq, less one
	tick := func() string {
		t.Helper()
		n := len(ticks)
		ticks = append(ticks, w.tick(fmt.Sprintf("BTC-USD=%d", n), fmt.Sprintf("ETH-USD=%d", n)))
		witness.want(ticks[n])
		return ticks[n]
	}
	for range 10 {
		tick()
	}
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		resume := func(query ...string) (*client, bool) {
			t.Helper()
			c := w.dialBy(by).upgraded(upgrade(w.demo()).query(query...))
			m := c.welcome()
			if m.Resumed == nil {
				t.Fatalf("%q: got %s", query, m.raw)
			}
			return c, *m.Resumed
		}
		for _, since := range []int{1, 5, 9, len(ticks)} {
			c, resumed := resume("since", fmt.Sprint(since))
			if !resumed {
				t.Errorf("since %d: not resumed", since)
			}
			c.want(ticks[since:]...)
			c.want(tick(), tick())
			c.bye()
		}
		c, resumed := resume("since", "8", "symbols", "ETH-USD")
		if !resumed {
			t.Error("some symbols: not resumed")
		}
		for seq := 9; seq <= len(ticks); seq++ {
			c.want(tickOf(uint64(seq), fmt.Sprintf("ETH-USD=%d", seq-1)))
		}
		c.bye()
		c, resumed = resume("since", "5", "interval", "50ms")
		if !resumed {
			t.Error("with an interval: not resumed")
		}
		c.want(ticks[len(ticks)-1]) // the missed ones in one
		c.want(tick())
		c.bye()
		for _, query := range [][]string{{"since", "0"}, {"since", "1000000"}, {"since", "18446744073709551615"}} {
			c, resumed := resume(query...)
			if resumed {
				t.Errorf("%q: resumed", query)
			}
			if m := c.snapshot(); m.Seq != w.seq {
				t.Errorf("%q: got %s", query, m.raw)
			}
			c.bye()
		}
	})
}

// Nobody sees a symbol that his token may not see, however he asks for it.
func TestHiddenSymbols(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tick("BTC-USD=1", "ETH-USD=1", "XRP-USD=1")
	deny := w.sign("ann", roleNoXRP)
	allow := w.signFor(bus.ExchangeResult{UserID: "bob", Role: auth.RoleUser, Allowed: []string{"BTC-*", "ETH-*"}})
	for name, r := range map[string]request{
		"denied, all":           upgrade(deny),
		"denied, star":          upgrade(deny).query("symbols", "*"),
		"denied, by pattern":    upgrade(deny).query("symbols", "XRP-*,*-USD"),
		"denied, from since":    upgrade(deny).query("since", "1"),
		"denied, at intervals":  upgrade(deny).query("interval", "10ms"),
		"not allowed, all":      upgrade(allow),
		"not allowed, star":     upgrade(allow).query("symbols", "*"),
		"not allowed, since":    upgrade(allow).query("since", "1"),
		"not allowed, interval": upgrade(allow).query("interval", "10ms", "symbols", "*RP-USD,BTC-USD"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := w.in(t)
			c := w.connect(r)
			c.say(`{"type":"subscribe","symbols":["XRP-USD"],"id":1}`, `{"type":"subscribe","symbols":["*"],"id":2}`, `{"type":"ping"}`)
			look := func(until func(message) bool) {
				t.Helper()
				for {
					m := c.next()
					if strings.Contains(m.raw, "XRP") && m.Code != "forbidden" && m.Type != "subscribed" {
						t.Errorf("got %s", m.raw)
					}
					if until(m) {
						return
					}
				}
			}
			look(func(m message) bool { return m.Type == "pong" })
			w.tick("XRP-USD=2", "BTC-USD=2")
			w.tick("XRP-USD=3")
			last := w.tick("BTC-USD=4", "XRP-USD=4")
			seq := message{}
			if err := json.Unmarshal([]byte(last), &seq); err != nil {
				t.Fatal(err)
			}
			look(func(m message) bool { return m.Seq >= seq.Seq })
		})
	}
}

// Nor does the state of a source tell him of one.
func TestHiddenSymbolsInStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(bus.StatusNews, `{"type":"status","source":"coinbase","state":"stale","symbols":["BTC-USD","XRP-USD"]}`)
	c := w.begin(upgrade(w.sign("ann", roleNoXRP)))
	w.publish(bus.StatusNews, `{"type":"status","source":"coinbase","state":"down","symbols":["XRP-USD","BTC-USD"]}`)
	last := w.tick("BTC-USD=1")
	for {
		m := c.next()
		if m.raw == last {
			return
		}
		if m.Type != "status" || slices.Contains(m.Symbols, "XRP-USD") || !slices.Contains(m.Symbols, "BTC-USD") {
			t.Errorf("got %s", m.raw)
		}
	}
}

// A newer token may see less; the stream goes on with what it sees.
func TestRefreshChangesWhatIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.begin(upgrade(w.demo()))
	c.want(w.tick("BTC-USD=1", "XRP-USD=1"))
	c.say(fmt.Sprintf(`{"type":"refresh","token":%q,"id":1}`, forge(`{"alg":"HS256"}`,
		fmt.Sprintf(`{"iss":"tickerd","sub":"user:demo","iat":%d,"exp":%d,"role":%q}`, time.Now().Unix(), time.Now().Unix()+9999, roleNoXRP), tokenKey)))
	if m := c.next(); m.Type != "refreshed" || m.ExpiresIn < 9990 || string(m.ID) != "1" {
		t.Errorf("got %s", m.raw)
	}
	if m := c.snapshot(); m.prices() != "BTC-USD=1" {
		t.Errorf("got %s", m.raw)
	}
	w.tick("XRP-USD=2")
	w.tick("BTC-USD=3", "XRP-USD=3")
	c.want(tickOf(3, "BTC-USD=3"))
	c.say(`{"type":"refresh","token":"nonsense","id":2}`)
	if m := c.next(); m.Code != "bad_token" {
		t.Errorf("got %s", m.raw)
	}
	c.want(w.tick("BTC-USD=4"))
}

// What is not live is told when it changes, and to who comes later.
func TestStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status := func(source, state, symbols string) string {
		msg := fmt.Sprintf(`{"type":"status","source":%q,"state":%q,"symbols":%s}`, source, state, symbols)
		w.publish(bus.StatusNews, msg)
		return msg
	}
	early := w.begin(upgrade(w.demo()))
	early.want(status("coinbase", "live", `["BTC-USD"]`))
	stale := status("coinbase", "stale", `["BTC-USD","ETH-USD"]`)
	early.want(stale, status("kraken", "down", `["BTC-USD"]`))
	for _, garbage := range []string{
		``, `nonsense`, `[]`, `{}`, `{"type":"status"}`, `{"type":"ticker","seq":1,"ts":1,"data":[]}`, "{\"type\":\"status\",\"source\":\"\xff\",\"state\":\"down\",\"symbols\":[]}",
	} {
		w.publish(bus.StatusNews, garbage)
	}
	late := w.begin(upgrade(w.demo()))
	late.want(stale, `{"type":"status","source":"kraken","state":"down","symbols":["BTC-USD"]}`)
	for _, news := range []string{status("coinbase", "live", `["ETH-USD"]`), status("kraken", "stale", `["BTC-USD"]`)} {
		early.want(news)
		late.want(news)
	}
	tick := w.tick("BTC-USD=1")
	early.want(tick)
	late.want(tick)
	later := w.begin(upgrade(w.demo()))
	later.want(`{"type":"status","source":"coinbase","state":"stale","symbols":["BTC-USD"]}`, `{"type":"status","source":"kraken","state":"stale","symbols":["BTC-USD"]}`)
	early.want(status("coinbase", "live", `["BTC-USD"]`), status("kraken", "live", `["BTC-USD"]`))
	last := w.begin(upgrade(w.demo()))
	last.want(w.tick("BTC-USD=2"))
}

// What an outdated publisher still sends, and what is no tick, is dropped.
func TestTicksThatAreDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.silent = true })
	c := w.begin(upgrade(w.demo()))
	tick := func(seq, term uint64) string {
		msg := tickOf(seq, fmt.Sprintf("BTC-USD=%d.%d", seq, term))
		w.publishTick(msg, term)
		return msg
	}
	c.want(tick(1, 5), tick(2, 5), tick(3, 5))
	tick(3, 5) // the same again
	tick(1, 5) // it has been
	tick(4, 4) // of a term that is over
	tick(5, 0) // of no term
	tick(2, 6) // a newer term does not turn back either
	tick(0, 9) // nor this one
	w.publishTick(`nonsense`, 9)
	w.publishTick(`{"type":"ticker","seq":99,"ts":1,"data":[{"symbol":"btc","price":1,"timestamp":1}]}`, 9)
	w.publishTick("", 9)
	if err := w.bus.PublishMsg(&bus.Msg{Subject: bus.Prices, Data: []byte(tickOf(4, "BTC-USD=1")), Header: map[string][]string{bus.HeaderTerm: {"soon"}}}); err != nil {
		t.Fatal(err)
	}
	c.want(tick(4, 5), tick(5, 6))
	tick(6, 5)
	c.want(tick(6, 6))
	if m := w.connect(upgrade(w.demo())).snapshot(); m.Seq != 6 || m.prices() != "BTC-USD=6.6" {
		t.Errorf("got %s", m.raw)
	}
}

// narrow is a world whose sockets hold little.
func narrow(t testing.TB, change ...func(*options)) *world {
	t.Helper()
	config := net.ListenConfig{Control: small}
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := calm(t, append(change, func(o *options) { o.listener = l })...)
	w.dialer = func() (net.Conn, error) {
		dialer := net.Dialer{Control: small}
		return dialer.Dial("tcp", l.Addr().String())
	}
	return w
}

// wide is the prices of so many symbols.
func wide(n, price int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("S%d-USD=%d", i, price))
	}
	return list
}

// A client that does not read for a while costs nobody anything. When it reads
// again, it gets whole frames: of the backlog what its socket held, a snapshot
// instead of the rest, and then what is live.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	w := narrow(t)
	fast := w.begin(upgrade(w.demo()))
	slow := w.begin(upgrade(w.demo()))
	const symbols = 100
	var sent []string
	for size := 0; size < 4<<20; { // four times what is kept for anybody
		tick := w.tick(wide(symbols, len(sent))...)
		fast.want(tick)
		sent = append(sent, tick)
		size += len(tick)
	}
	slow.within(w.patience)
	snapshots, seq := 0, uint64(0)
	for seq < uint64(len(sent)) {
		m := slow.next()
		switch {
		case m.Type != "ticker" || len(m.Data) != symbols || m.Data[0].Price.String() != fmt.Sprint(m.Seq-1):
			t.Fatalf("got %.200s", m.raw)
		case m.Snapshot && m.Seq > seq:
			snapshots++
		case m.Seq != seq+1 || m.raw != sent[seq]:
			t.Fatalf("after %d: got %.200s", seq, m.raw)
		}
		seq = m.Seq
	}
	if snapshots == 0 {
		t.Error("there was no snapshot")
	}
	for i := range 5 {
		tick := w.tick(wide(symbols, i)...)
		fast.want(tick)
		slow.want(tick)
	}
	slow.bye()
	fast.bye()
}

// A client that sends and does not read is read no further than its answers have
// room: it holds up itself, and nobody else. Nothing that it said is lost.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	w := narrow(t)
	other := w.begin(upgrade(w.demo()))
	c := w.begin(upgrade(w.demo()))
	id := strings.Repeat("x", 1000)
	const most = 100_000 // 100 MB
	sent, rest := 0, ""
	for rest == "" && sent < most {
		rest = text(fmt.Sprintf(`{"type":"ping","id":"%d %s"}`, sent, id))
		sent++
		c.within(time.Second)
		n, err := io.WriteString(c.Conn, rest)
		if rest = rest[n:]; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	if sent == most {
		t.Fatal("the client was never held up")
	}
	other.say(`{"type":"ping","id":1}`)
	if m := other.next(); m.Type != "pong" {
		t.Errorf("got %s", m.raw)
	}
	c.within(w.patience)
	said := make(chan error, 1)
	go func() { // while we read, for nobody knows how much of it must be read first
		_, err := io.WriteString(c.Conn, rest)
		said <- err
	}()
	for i := range sent {
		if m := c.next(); m.Type != "pong" || !strings.HasPrefix(string(m.ID), fmt.Sprintf(`"%d x`, i)) {
			t.Fatalf("got %.100s, want pong %d", m.raw, i)
		}
	}
	if err := <-said; err != nil {
		t.Fatal(err)
	}
	c.send(frameOf(ws.OpPing, "still here"))
	c.wantFrame(ws.OpPong, "still here")
	other.want(w.tick("BTC-USD=1"))
	c.bye()
}
