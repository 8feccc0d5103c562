package gateway_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"tickerd/auth"
	"tickerd/bus"
)

// A trader is a client that acts at random, and reads at a pace of its own.
type trader struct {
	floor *floor
	n     int
	rng   *rand.Rand
	gulp  int    // so much it reads at once, at most
	tight bool   // its socket holds little that is not read
	quiet bool   // it follows the stream as events, and so has nothing to say
	role  string // when all that was asked is answered,
	ends  int64  // and the end of its token
	asks  int    // questions so far

	*promise
	*client
	events *listener    // of who is quiet
	tcp    *net.TCPConn // below the client
	pen    *pen
	echoes []string // of its pings, which are to come
}

func newTrader(f *floor, n int) *trader {
	return &trader{
		floor: f, n: n, rng: rand.New(rand.NewPCG(f.seed, uint64(n))), gulp: []int{5000, 5000, 50, 3}[n%4], tight: n%3 == 0, quiet: n%5 == 4,
		role: auth.RoleUser, ends: time.Now().Unix() + 10_000, promise: newPromise(f.market),
	}
}

// run acts until there are no more ticks, and then reads all that is left. First it
// asks for no more than it must, and does not look at what comes.
func (c *trader) run() {
	c.connect([]rule{{"*", true}}, hiddenFrom(c.role), 0, false)
	defer func() { c.hangUp() }()
	c.market.await(400)
	for c.act() {
	}
	for c.expects() {
		c.read()
	}
	if wrong := c.wrong(); wrong != nil {
		c.fail("shows %q", wrong)
	}
	c.farewell()
	c.floor.count(c.tally)
}

// fail fails the test.
func (c *trader) fail(format string, args ...any) {
	c.floor.Helper()
	c.floor.Fatalf("client %d: %s\nhidden %q, interval %v, rules %v", c.n, fmt.Sprintf(format, args...), c.hidden, c.interval, c.rules[max(len(c.rules)-20, 0):])
}

// act does something that clients do. It reports false when there are no more
// ticks.
func (c *trader) act() bool {
	what := c.rng.IntN(200)
	if c.quiet && what > 2 {
		return c.readSome()
	}
	switch what {
	case 0: // is not there for a while
		return c.market.await(c.rng.IntN(600))
	case 1:
		c.tally[resets]++
		c.reset()
		c.join(c.rng.IntN(2) == 0)
	case 2:
		c.farewell()
		c.join(c.rng.IntN(2) == 0)
	case 3: // says more than is answered at once
		for range c.rng.IntN(150) {
			c.speak(c.rng.IntN(3000))
		}
	case 4, 5, 6, 7, 8:
		echo := fmt.Sprintf("echo %d", c.rng.Uint64())
		c.echoes = append(c.echoes, echo)
		c.pen.write(frameOf(ws.OpPing, echo))
	default:
		if c.rng.IntN(10) == 0 {
			c.speak(c.rng.IntN(10))
		}
		return c.readSome()
	}
	return true
}

// readSome reads some of what must come. It reports false when there are no more
// ticks.
func (c *trader) readSome() bool {
	for range 1 + c.rng.IntN(10) {
		if !c.expects() {
			return c.market.await(1)
		}
		c.read()
	}
	return true
}

// expects reports whether something must come.
func (c *trader) expects() bool { return len(c.echoes) > 0 || c.owes() }

// closeNoHandler is the one code with which a trader may be closed.
const closeNoHandler = 1013

// read reads a frame, which must come. A connection that no handler takes is
// closed, and the trader comes back.
func (c *trader) read() {
	end := c.readFrame()
	if end == nil {
		return
	}
	if end.Code != closeNoHandler {
		c.fail("closed: %+v: %s", *end, c.open())
	}
	c.tally[unheld]++
	c.hangUp()
	c.join(false)
}

// readFrame reads a frame, and holds that it may come now, whole. It gives why the
// connection has ended, where it has.
func (c *trader) readFrame() (end *bus.Leave) {
	c.within(patience)
	if c.quiet {
		return c.readEvent()
	}
	op, payload, err := c.tryFrame()
	for err == nil && op == ws.OpPing {
		c.pen.write(frameOf(ws.OpPong, string(payload)))
		op, payload, err = c.tryFrame()
	}
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return c.cut(err)
	case err != nil:
		c.fail("%v: %s", err, c.open())
	case op == ws.OpText:
		c.hold(c.parse(payload))
	case op == ws.OpPong && len(c.echoes) > 0 && c.echoes[0] == string(payload):
		c.echoes = c.echoes[1:]
	case op == ws.OpClose:
		code, reason := ws.ParseCloseFrameData(payload)
		if code == ws.StatusNormalClosure {
			c.wantEOF()
		}
		return &bus.Leave{Code: int(code), Reason: reason}
	default:
		c.fail("got a frame of kind %x: %q", op, payload)
	}
	return nil
}

// hold holds that a message may come now.
func (c *trader) hold(m message) {
	if err := c.take(m); err != nil {
		c.fail("%v: got %s", err, clipped(m.raw))
	}
	if m.Type == "welcome" {
		c.id = m.ConnID
		c.floor.mustLeave(c.id)
	}
}

// readEvent is readFrame of events.
func (c *trader) readEvent() (end *bus.Leave) {
	m, err := c.events.tryNext()
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return c.cut(err)
	case err != nil:
		c.fail("%v: %s", err, c.open())
	case m.Type == "close":
		leave := c.floor.leave(c.id)
		return &leave
	default:
		c.tally[heard]++
		c.hold(m)
	}
	return nil
}

// cut gives why the gateway has ended the connection, though not with a close
// frame: those who are slow to read what is before that do not get it.
func (c *trader) cut(err error) *bus.Leave {
	if c.id == "" {
		c.fail("%v before the welcome", err)
	}
	c.tally[torn]++
	leave := c.floor.leave(c.id)
	return &leave
}

// clipped is a text without its middle, where it is long.
func clipped(s string) string {
	const most = 600
	if len(s) <= 2*most {
		return s
	}
	return s[:most] + "…" + s[len(s)-most:]
}

// farewell leaves as one should; what still comes is held to the promise, too.
func (c *trader) farewell() {
	c.tally[farewells]++
	if c.quiet {
		c.hangUp()
		return
	}
	c.pen.write(closeOf(ws.StatusNormalClosure, ""))
	end := c.readFrame()
	for end == nil {
		end = c.readFrame()
	}
	if end.Code != int(ws.StatusNormalClosure) && end.Code != closeNoHandler {
		c.fail("closed: %+v", *end)
	}
	c.hangUp()
}

// reset leaves as a crash does.
func (c *trader) reset() {
	if err := c.tcp.SetLinger(0); err != nil {
		c.fail("%v", err)
	}
	c.hangUp()
}

// hangUp ends the connection, if it has not ended.
func (c *trader) hangUp() {
	c.tcp.Close()
	c.pen.stop()
}

// join opens a connection: of what the trader has seen last, resumed there, or
// else with another wish.
func (c *trader) join(resume bool) {
	hidden, interval := hiddenFrom(c.role), c.randomInterval()
	query := []string{"interval", interval.String()}
	rules := []rule{{"*", true}}
	names := c.showing(hidden)
	switch resume = resume && c.complete(); {
	case resume && c.hidden == hidden && c.seesAll():
	case resume && len(names) > 0:
		rules = added(names)
		query = append(query, "symbols", strings.Join(names, ","))
	case c.rng.IntN(2) == 0:
		resume = false
	default:
		resume = false
		patterns := c.some(anyones())
		rules = added(patterns)
		query = append(query, "symbols", strings.ToLower(strings.Join(patterns, ",")))
	}
	if resume && !c.quiet {
		query = append(query, "since", fmt.Sprint(c.seq))
	}
	c.connect(rules, hidden, interval, resume, query...)
}

// connect opens a connection, of which it is known what it asks for.
func (c *trader) connect(rules []rule, hidden string, interval time.Duration, resume bool, query ...string) {
	c.begin(rules, hidden, interval, resume)
	for events := c.past(); c.fresh > 1 && !c.floor.gateway.Took(events[c.fresh-1].seq); {
		c.fresh-- // it is not there to be missed yet
	}
	c.echoes = nil
	r := upgrade(c.token())
	if c.quiet {
		r = sse(c.token())
	}
	if len(query) > 0 {
		r = r.query(query...)
	}
	wire := newWire(c.floor.world, c.dial())
	if c.pen = newPen(wire); !c.quiet {
		c.client = wire.upgraded(r)
		return
	}
	if resume {
		r = r.and(fmt.Sprintf("Last-Event-ID: %d", c.seq))
	}
	c.client, c.events = &client{wire: wire}, wire.listening(r)
}

// dial connects.
func (c *trader) dial() net.Conn {
	dialer := net.Dialer{}
	if c.tight {
		dialer.Control = tight
	}
	conn, err := dialer.Dial("tcp", c.floor.gateway.Addr().String())
	if err != nil {
		c.fail("%v", err)
	}
	c.tcp = conn.(*net.TCPConn)
	if c.floor.secure != nil {
		conn = tls.Client(conn, c.floor.secure)
	}
	return gulper{conn, func() int { return 1 + c.rng.IntN(c.gulp) }}
}

// token makes one of the trader's role and time.
func (c *trader) token() string {
	claims := fmt.Sprintf(`{"iss":"tickerd","sub":"user:trader%d","iat":%d,"exp":%d,"role":%q}`, c.n, time.Now().Unix(), c.ends, c.role)
	return forge(`{"alg":"HS256"}`, claims, tokenKey)
}

// hiddenFrom is the symbol that a role may not see.
func hiddenFrom(role string) string {
	if role == roleNoXRP {
		return "XRP-USD"
	}
	return ""
}

// added is patterns, subscribed.
func added(patterns []string) (rules []rule) {
	for _, p := range patterns {
		rules = append(rules, rule{p, true})
	}
	return rules
}

// speak says something, with an id of so many bytes and more.
func (c *trader) speak(size int) {
	c.asks++
	id := fmt.Sprintf(`"%d%s"`, c.asks, strings.Repeat("x", size))
	switch c.rng.IntN(12) {
	case 0, 1:
		c.subscribe(id)
	case 2, 3:
		c.unsubscribe(id)
	case 4:
		c.refresh(id)
	case 5, 6:
		c.babble(id)
	default:
		c.say(question{id: id, want: []string{"pong"}}, `{"type":"ping","id":%s}`, id)
	}
}

// say asks.
func (c *trader) say(q question, format string, args ...any) {
	c.ask(q)
	c.pen.write(text(fmt.Sprintf(format, args...)))
}

func (c *trader) subscribe(id string) {
	patterns, want := c.wish("subscribed")
	interval, also := c.randomInterval(), c.rng.IntN(2) == 0
	q := question{id: id, want: want, then: func(message) error {
		c.rules = append(c.rules, added(patterns)...)
		if also {
			c.interval = interval
		}
		c.owed = true
		return nil
	}}
	option := ""
	if also {
		option = fmt.Sprintf(`,"interval_ms":%d`, interval.Milliseconds())
	}
	c.say(q, `{"type":"subscribe","symbols":["%s"],"id":%s%s}`, strings.Join(patterns, `","`), id, option)
}

func (c *trader) unsubscribe(id string) {
	patterns, want := c.wish("unsubscribed")
	q := question{id: id, want: want, then: func(message) error {
		for _, p := range patterns {
			c.rules = append(c.rules, rule{p, false})
		}
		return nil
	}}
	c.say(q, `{"type":"unsubscribe","symbols":["%s"],"id":%s}`, strings.Join(patterns, `","`), id)
}

// wish is some patterns, and what a request of them is answered. A symbol that has
// not been there from the beginning may be unknown to a handler.
func (c *trader) wish(done string) (patterns, want []string) {
	hidden := hiddenFrom(c.role)
	latecomers := []string{"S0-USD", "S1-USD", "S12-USD"}
	patterns = c.some(slices.Concat(anyones(), latecomers, []string{"XRP-USD"}))
	switch {
	case slices.Contains(patterns, hidden):
		return patterns, []string{"forbidden"}
	case slices.ContainsFunc(patterns, func(p string) bool { return slices.Contains(latecomers, p) }):
		return patterns, []string{done, "bad_symbol"}
	}
	return patterns, []string{done}
}

// anyones are patterns that nobody is refused.
func anyones() []string {
	return []string{"*", "*-USD", "S*", "*1*-USD", "*T*", "B*", "X*", "*-EUR", "BTC-USD", "ETH-USD", "SOL-USD"}
}

// some is up to three of a list.
func (c *trader) some(list []string) (some []string) {
	for range 1 + c.rng.IntN(3) {
		some = append(some, list[c.rng.IntN(len(list))])
	}
	return some
}

func (c *trader) randomInterval() time.Duration {
	return []time.Duration{0, 0, 0, 5, 20, 100}[c.rng.IntN(6)] * time.Millisecond
}

// refresh renews the token, perhaps with another role, or tries to.
func (c *trader) refresh(id string) {
	q := question{id: id, want: []string{"bad_token"}}
	if c.rng.IntN(4) > 0 {
		before := c.role
		c.role = []string{auth.RoleUser, roleNoXRP}[c.rng.IntN(2)]
		c.ends++
		q.want = []string{"refreshed"}
		if hidden := hiddenFrom(c.role); c.role != before {
			q.then = func(message) error {
				c.hidden, c.owed = hidden, true
				return nil
			}
		}
	}
	c.say(q, `{"type":"refresh","token":%q,"id":%s}`, c.token(), id)
}

// babble says what is refused.
func (c *trader) babble(id string) {
	bad := []struct{ format, echo, code string }{
		{`{"type":"what","id":%s}`, id, "unknown_type"},
		{`{"type":null,"id":%s}`, id, "unknown_type"},
		{`{"type":"ping","id":[%s]}`, "", "bad_json"},
		{`{"type":"ping","id":%s`, "", "bad_json"},
		{`{"type":"subscribe","interval_ms":-1,"id":%s}`, id, "bad_interval"},
		{`{"type":"subscribe","symbols":["BTC-USD","NOPE-USD"],"id":%s}`, id, "bad_symbol"},
		{`{"type":"unsubscribe","id":%s}`, id, "bad_symbol"},
		{`{"type":"refresh","token":"","id":%s}`, id, "bad_token"},
	}[c.rng.IntN(8)]
	c.say(question{id: bad.echo, want: []string{bad.code}}, bad.format, id)
}

// A gulper reads only so much at once.
type gulper struct {
	net.Conn
	most func() int
}

func (g gulper) Read(p []byte) (int, error) { return g.Conn.Read(p[:min(len(p), g.most())]) }

// A pen writes what it is told, when there is room: who has it need not wait.
type pen struct {
	lines chan string
	ended chan struct{}
	once  sync.Once
}

func newPen(w io.Writer) *pen {
	p := &pen{lines: make(chan string, 1<<12), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		for line := range p.lines {
			if _, err := io.WriteString(w, line); err != nil {
				return // which is seen by who reads
			}
		}
	}()
	return p
}

func (p *pen) write(line string) { p.lines <- line }

// stop waits for the end of what is being written, which must have been cut.
func (p *pen) stop() {
	p.once.Do(func() { close(p.lines) })
	<-p.ended
}
