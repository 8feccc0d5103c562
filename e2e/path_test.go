package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tickerd/e2e/nodetest"
)

// symbols are those of the settings' default.
var symbols = []string{"BTC-USD", "ETH-USD", "SOL-USD"}

// TestPath goes the whole way: from the demo key in the log to a token, over the
// WebSocket, with every message that a client has, to the leave on the bus.
func TestPath(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t)
	observer, operator := n.NATS(t), n.Operator(t)
	observer.Subscribe("ticker.>")
	operator.Subscribe("conn.>")

	status, g := n.Exchange(t, n.Key)
	if status != http.StatusOK || g.UserID != "demo" || g.Role != "user" || g.ExpiresIn != 3600 {
		t.Fatalf("token: status %d, %+v", status, g)
	}
	c := n.Dial(t, g.Token, "")
	welcome, snapshot := c.Greeting()
	if welcome.UserID != "user:demo" || !slices.Equal(welcome.Symbols, []string{"*"}) || welcome.Interval != 0 || welcome.Resumed != nil {
		t.Errorf("welcome: %s", welcome.Raw)
	}
	if welcome.ExpiresIn < 3500 || welcome.ExpiresIn > 3600 {
		t.Errorf("welcome says that the token ends in %d s", welcome.ExpiresIn)
	}
	checkJoin(t, operator.Next(), welcome.ConnID)

	ticks := checkTicks(t, c, snapshot, 200)
	checkObserved(t, observer, ticks)

	c.Send(`{"type":"ping","id":"a"}`)
	if pong := c.Await("pong"); string(pong.ID) != `"a"` || pong.TS == 0 {
		t.Errorf("pong: %s", pong.Raw)
	}
	c.Send(`{"type":"unsubscribe","symbols":["*"],"id":2}`)
	if m := c.Await("unsubscribed"); string(m.ID) != "2" || len(m.Symbols) != 0 {
		t.Errorf("after unsubscribing from everything: %s", m.Raw)
	}
	checkSubset(t, c)
	checkRefresh(t, n, c, g.Token)

	if code := c.Bye(); code != 1000 {
		t.Errorf("the server answers a close with %d", code)
	}
	checkLeave(t, operator, welcome.ConnID)
}

// checkJoin checks that a connection is announced as the contract says.
func checkJoin(t *testing.T, d nodetest.Delivery, id string) {
	t.Helper()
	var join struct {
		ConnID     string   `json:"conn_id"`
		UserID     string   `json:"user_id"`
		Role       string   `json:"role"`
		RemoteAddr string   `json:"remote_addr"`
		Node       string   `json:"node"`
		AuthTime   int64    `json:"auth_time"`
		ExpiresAt  int64    `json:"expires_at"`
		Policies   []string `json:"policies"`
	}
	if err := json.Unmarshal([]byte(d.Data), &join); err != nil {
		t.Fatalf("join: %v", err)
	}
	if d.Subject != "conn."+id+".join" || join.ConnID != id || join.UserID != "user:demo" || join.Role != "user" ||
		join.RemoteAddr != "127.0.0.1" || join.Node == "" || join.ExpiresAt-join.AuthTime != 3600 ||
		!slices.Equal(join.Policies, []string{"user_policy"}) {
		t.Errorf("%s: %s", d.Subject, d.Data)
	}
}

// checkTicks reads count ticks after a snapshot: seq grows by one, and every
// price moves by a thousandth at most. It gives them by seq, as they came.
func checkTicks(t *testing.T, c *nodetest.Client, snapshot nodetest.Message, count int) map[uint64]string {
	t.Helper()
	last := map[string]string{}
	for _, symbol := range symbols {
		last[symbol] = snapshot.Of(symbol)
	}
	if len(snapshot.Data) != len(symbols) {
		t.Fatalf("the snapshot has not every symbol: %s", snapshot.Raw)
	}
	ticks := map[uint64]string{}
	for seq := snapshot.Seq; len(ticks) < count; {
		m := c.Next()
		if m.Snapshot { // the client fell behind
			seq = m.Seq
			for _, p := range m.Data {
				last[p.Symbol] = p.Price.String()
			}
			continue
		}
		if seq++; m.Type != "ticker" || m.Seq != seq || len(m.Data) != len(symbols) {
			t.Fatalf("after tick %d: %s", seq-1, m.Raw)
		}
		ticks[m.Seq] = m.Raw
		for _, p := range m.Data {
			checkMove(t, p, last[p.Symbol])
			last[p.Symbol] = p.Price.String()
		}
		if age := time.Since(time.UnixMicro(m.TS)); age < 0 || age > nodetest.Patience {
			t.Fatalf("tick %d is %v old", m.Seq, age)
		}
	}
	return ticks
}

var cents = regexp.MustCompile(`^[1-9][0-9]*\.[0-9]{2}$`)

// checkMove checks a price of the simulator against the one before.
func checkMove(t *testing.T, p nodetest.Price, before string) {
	t.Helper()
	now, is := new(big.Rat).SetString(p.Price.String())
	was, had := new(big.Rat).SetString(before)
	if !is || !had || !cents.MatchString(p.Price.String()) {
		t.Fatalf("%s: %q after %q", p.Symbol, p.Price, before)
	}
	move := new(big.Rat).Sub(now, was)
	if move.Abs(move).Cmp(was.Mul(was, big.NewRat(1, 1000))) > 0 {
		t.Errorf("%s moves from %s to %s", p.Symbol, before, p.Price)
	}
}

// checkObserved checks that the bus has had the ticks byte for byte as they came
// to a client.
func checkObserved(t *testing.T, observer *nodetest.BusConn, ticks map[uint64]string) {
	t.Helper()
	for left := len(ticks); left > 0; {
		d := observer.Await("ticker.prices")
		var m nodetest.Message
		if err := json.Unmarshal([]byte(d.Data), &m); err != nil {
			t.Fatal(err)
		}
		raw, ours := ticks[m.Seq]
		if !ours {
			continue
		}
		left--
		if d.Data != raw {
			t.Fatalf("the client has %s\nand the bus %s", raw, d.Data)
		}
		if d.Header.Get("Tickerd-Node") == "" || d.Header.Get("Tickerd-Term") == "" {
			t.Fatalf("tick %d has the headers %v", m.Seq, d.Header)
		}
	}
}

// checkSubset subscribes to some symbols at an interval, and to fewer of them.
func checkSubset(t *testing.T, c *nodetest.Client) {
	t.Helper()
	const interval = 100
	c.Send(`{"type":"subscribe","symbols":["BTC-USD","eth-*"],"interval_ms":100,"id":3}`)
	m := c.Await("subscribed")
	if string(m.ID) != "3" || !slices.Equal(m.Symbols, []string{"BTC-USD", "ETH-*"}) || m.Interval != interval {
		t.Errorf("subscribed: %s", m.Raw)
	}
	if m := c.Next(); !m.Snapshot || !slices.Equal(named(m), []string{"BTC-USD", "ETH-USD"}) {
		t.Errorf("after subscribed comes %s", m.Raw)
	}
	first, updates := c.Next(), 5
	for range updates {
		m = c.Next()
		if m.Type != "ticker" || m.Snapshot || !slices.Equal(named(m), []string{"BTC-USD", "ETH-USD"}) {
			t.Errorf("with two symbols subscribed: %s", m.Raw)
		}
	}
	// One that was late does not delay the next.
	if took := m.TS - first.TS; took < int64(updates-1)*interval*1000 {
		t.Errorf("%d updates within %d µs", updates, took)
	}
	c.Send(`{"type":"unsubscribe","symbols":["ETH-USD"],"id":4}`)
	if m := c.Await("unsubscribed"); string(m.ID) != "4" || !slices.Equal(m.Symbols, []string{"BTC-USD", "ETH-*", "!ETH-USD"}) {
		t.Errorf("unsubscribed: %s", m.Raw)
	}
	for range 3 {
		if m := c.Await("ticker"); !slices.Equal(named(m), []string{"BTC-USD"}) {
			t.Errorf("with one symbol subscribed: %s", m.Raw)
		}
	}
}

// named are the symbols of a tick.
func named(m nodetest.Message) []string {
	var list []string
	for _, p := range m.Data {
		list = append(list, p.Symbol)
	}
	return list
}

// checkRefresh puts the connection on a newer token; the same one again is none.
func checkRefresh(t *testing.T, n *nodetest.Node, c *nodetest.Client, token string) {
	t.Helper()
	c.Send(fmt.Sprintf(`{"type":"refresh","token":%q,"id":5}`, token))
	if m := c.Await("error"); m.Code != "bad_token" || string(m.ID) != "5" {
		t.Errorf("refresh with the present token: %s", m.Raw)
	}
	newer := token
	nodetest.Eventually(t, "a token that ends later", func() bool {
		newer = n.Token(t, n.Key)
		return claims(t, newer).Exp > claims(t, token).Exp
	})
	c.Send(fmt.Sprintf(`{"type":"refresh","token":%q,"id":6}`, newer))
	if m := c.Await("refreshed"); string(m.ID) != "6" || m.ExpiresIn < 3500 || m.ExpiresIn > 3600 {
		t.Errorf("refreshed: %s", m.Raw)
	}
}

// payload is the claims of a token, as far as tests need them.
type payload struct {
	Iss string
	Sub string
	Exp int64
}

// claims reads a token as everyone can.
func claims(t *testing.T, token string) (p payload) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	if p.Iss != "tickerd" || p.Sub != "user:demo" {
		t.Errorf("claims: %s", text)
	}
	return p
}

// checkLeave checks that the bus has had the client's six messages, and one leave
// behind them.
func checkLeave(t *testing.T, operator *nodetest.BusConn, id string) {
	t.Helper()
	for range 6 {
		if d := operator.Next(); d.Subject != "conn."+id+".message" {
			t.Fatalf("instead of a message: %s %s", d.Subject, d.Data)
		}
	}
	d := operator.Next()
	var leave struct {
		ConnID      string `json:"conn_id"`
		UserID      string `json:"user_id"`
		Reason      string `json:"reason"`
		Code        int    `json:"code"`
		ConnectedMS int64  `json:"connected_ms"`
		In          int64  `json:"messages_in"`
		Out         int64  `json:"messages_out"`
	}
	if err := json.Unmarshal([]byte(d.Data), &leave); err != nil {
		t.Fatalf("leave: %v", err)
	}
	if d.Subject != "conn."+id+".leave" || leave.ConnID != id || leave.UserID != "user:demo" || leave.Code != 1000 ||
		leave.ConnectedMS < 1 || leave.In != 6 || leave.Out < 200 {
		t.Errorf("%s: %s", d.Subject, d.Data)
	}
	if more := operator.Waiting(); more != nil {
		t.Errorf("after the leave: %v", more)
	}
}

// TestObserver checks what somebody whom the bus does not know may do there.
func TestObserver(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t)
	n.Provoked = []string{"Violation", "authentication error"}
	observer, operator := n.NATS(t), n.Operator(t)
	operator.Subscribe("ticker.>")
	operator.Subscribe("conn.>")
	operator.Subscribe("auth.>")
	operator.Subscribe("gateway.>")

	for _, subject := range []string{"conn.>", "gateway.>", "auth.>", "auth.exchange", ">", "*.prices", "_INBOX.>", "$JS.>", "$KV.>", "$SYS.>"} {
		if refused := observer.TrySubscribe(subject); !strings.Contains(refused, "Permissions Violation for Subscription") {
			t.Errorf("an observer may subscribe to %s: %q", subject, refused)
		}
	}
	for _, subject := range []string{"ticker.prices", "ticker.forged", "conn.x.join", "gateway.x.x", "auth.revoked", "auth.exchange", "$JS.API.INFO"} {
		if refused := observer.TryPublish(subject, `{"forged":true}`); !strings.Contains(refused, "Permissions Violation for Publish") {
			t.Errorf("an observer may publish to %s: %q", subject, refused)
		}
	}
	for _, d := range operator.Waiting() {
		if strings.Contains(d.Data, "forged") {
			t.Errorf("an observer has published %s", d.Subject)
		}
	}
	observer.Subscribe("ticker.>")
	observer.Await("ticker.prices")

	for _, who := range [][2]string{{"operator", ""}, {"operator", "wrong"}, {"tickerd", ""}, {"observer", "x"}, {"", "x"}} {
		if _, refused := n.NATSAs(t, who[0], who[1]); !strings.Contains(refused, "Authorization Violation") {
			t.Errorf("the bus takes user %q with password %q: %q", who[0], who[1], refused)
		}
	}
}
