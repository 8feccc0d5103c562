package nodetest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A BusConn is a program on the bus that knows no more of NATS than its
// protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol.
type BusConn struct {
	tb        testing.TB
	conn      net.Conn
	subs      int
	delivered chan Delivery
	told      chan string // PONG and -ERR lines
	reading   sync.WaitGroup
}

// A Delivery is one message.
type Delivery struct {
	Subject string
	Header  textproto.MIMEHeader
	Data    string
}

// NATS connects to the node's bus as somebody whom it does not know.
func (n *Node) NATS(tb testing.TB) *BusConn {
	tb.Helper()
	c, refused := n.NATSAs(tb, "", "")
	if refused != "" {
		tb.Fatalf("connect to the bus: %s", refused)
	}
	return c
}

// Operator connects to the node's bus as its operator.
func (n *Node) Operator(tb testing.TB) *BusConn {
	tb.Helper()
	c, refused := n.NATSAs(tb, "operator", n.password(tb))
	if refused != "" {
		tb.Fatalf("connect to the bus as operator: %s", refused)
	}
	return c
}

// password is the operator's: of the settings, or made by the node.
func (n *Node) password(tb testing.TB) string {
	tb.Helper()
	for _, setting := range n.settings {
		if password, is := strings.CutPrefix(setting, "bus.operator_password="); is {
			return password
		}
	}
	password, err := os.ReadFile(filepath.Join(n.Dir, "operator.password"))
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(string(password))
}

// NATSAs connects to the node's bus, or says why that is refused.
func (n *Node) NATSAs(tb testing.TB, user, password string) (c *BusConn, refused string) {
	tb.Helper()
	conn, err := n.dial(tb.Context(), "tcp", n.Bus)
	if err != nil {
		tb.Fatal(err)
	}
	c = &BusConn{tb: tb, conn: conn, delivered: make(chan Delivery, 1<<16), told: make(chan string, 1<<10)}
	c.reading.Go(c.read)
	tb.Cleanup(c.Close)
	hello, err := json.Marshal(map[string]any{
		"verbose": false, "pedantic": false, "headers": true, "lang": "e2e", "version": "1", "protocol": 1, "user": user, "pass": password,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c, c.ask("CONNECT " + string(hello))
}

// ask sends a command and gives the errors that it meets, empty for none.
func (c *BusConn) ask(command string) (refused string) {
	c.tb.Helper()
	return c.flush(command + "\r\n")
}

// flush sends text and waits until the server has handled it.
func (c *BusConn) flush(text string) (refused string) {
	c.tb.Helper()
	if _, err := io.WriteString(c.conn, text+"PING\r\n"); err != nil {
		c.tb.Fatal(err)
	}
	late := time.After(Patience)
	for {
		select {
		case line, open := <-c.told:
			if line == "PONG" || !open {
				return refused
			}
			refused += line
		case <-late:
			c.tb.Fatalf("the bus does not answer %q", text)
		}
	}
}

// TrySubscribe gives the refusal, empty for none.
func (c *BusConn) TrySubscribe(subject string) (refused string) {
	c.tb.Helper()
	c.subs++
	return c.ask(fmt.Sprintf("SUB %s %d", subject, c.subs))
}

// TryPublish gives the refusal, empty for none.
func (c *BusConn) TryPublish(subject, data string) (refused string) {
	c.tb.Helper()
	return c.ask(fmt.Sprintf("PUB %s %d\r\n%s", subject, len(data), data))
}

// Request asks on a subject, on a connection of which nothing else is wanted, and gives
// the first answer, or false where none comes in time.
func (c *BusConn) Request(subject, data string, within time.Duration) (Delivery, bool) {
	c.tb.Helper()
	const inbox = "e2e.inbox"
	if c.subs == 0 {
		c.Subscribe(inbox)
	}
	if refused := c.ask(fmt.Sprintf("PUB %s %s %d\r\n%s", subject, inbox, len(data), data)); refused != "" {
		c.tb.Fatalf("ask %s: %s", subject, refused)
	}
	select {
	case d, open := <-c.delivered:
		return d, open
	case <-time.After(within):
		return Delivery{}, false
	}
}

// Close hangs up, which the end of the test does otherwise.
func (c *BusConn) Close() {
	c.conn.Close()
	c.reading.Wait()
}

// Subscribe is TrySubscribe of what is allowed.
func (c *BusConn) Subscribe(subject string) {
	c.tb.Helper()
	if refused := c.TrySubscribe(subject); refused != "" {
		c.tb.Fatalf("subscribe to %s: %s", subject, refused)
	}
}

// Deliveries is what Next reads, closed when the bus has hung up.
func (c *BusConn) Deliveries() <-chan Delivery { return c.delivered }

// Next waits for the next message.
func (c *BusConn) Next() Delivery {
	c.tb.Helper()
	select {
	case d, open := <-c.delivered:
		if !open {
			c.tb.Fatal("the bus has hung up")
		}
		return d
	case <-time.After(Patience):
		c.tb.Fatalf("nothing on the bus within %v", Patience)
	}
	return Delivery{}
}

// Await waits for the next message on a subject and passes over others.
func (c *BusConn) Await(subject string) Delivery {
	c.tb.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); {
		if d := c.Next(); d.Subject == subject {
			return d
		}
	}
	c.tb.Fatalf("waited %v for %s", Patience, subject)
	return Delivery{}
}

// Waiting are the messages that have come and were not read.
func (c *BusConn) Waiting() []Delivery {
	c.tb.Helper()
	c.flush("") // what was sent before has come now
	var list []Delivery
	for len(c.delivered) > 0 {
		list = append(list, <-c.delivered)
	}
	return list
}

// read takes what the server says until the connection ends.
func (c *BusConn) read() {
	defer close(c.told)
	defer close(c.delivered)
	r := bufio.NewReader(c.conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		words := strings.Fields(line)
		switch {
		case line == "PING":
			_, _ = io.WriteString(c.conn, "PONG\r\n") // fails at the end only
		case line == "PONG", strings.HasPrefix(line, "-ERR"):
			c.told <- line
		case len(words) >= 4 && (words[0] == "MSG" || words[0] == "HMSG"):
			d, err := readDelivery(r, words)
			if err != nil {
				return
			}
			c.delivered <- d
		}
	}
}

// readDelivery reads what follows "MSG subject sid [reply] bytes" or "HMSG
// Subject sid [reply] header-bytes bytes".
func readDelivery(r *bufio.Reader, words []string) (Delivery, error) {
	d := Delivery{Subject: words[1]}
	size, err := strconv.Atoi(words[len(words)-1])
	if err != nil {
		return d, err
	}
	body := make([]byte, size+len("\r\n"))
	if _, err := io.ReadFull(r, body); err != nil {
		return d, err
	}
	head := 0
	if words[0] == "HMSG" {
		if head, err = strconv.Atoi(words[len(words)-2]); err != nil {
			return d, err
		}
		lines := textproto.NewReader(bufio.NewReader(strings.NewReader(string(body[:head]))))
		if _, err := lines.ReadLine(); err != nil { // NATS/1.0
			return d, err
		}
		if d.Header, err = lines.ReadMIMEHeader(); err != nil {
			return d, err
		}
	}
	d.Data = string(body[head:size])
	return d, nil
}
