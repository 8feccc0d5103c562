package e2e_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"tickerd/e2e/nodetest"

	"github.com/gobwas/ws"
)

// A crowd is very many clients of a node, all in this process.
type crowd struct {
	addr    string
	request []byte
}

// The key that a client sends with its upgrade, and what a server makes of it: the
// example of RFC 6455, section 1.3.
const (
	upgradeKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	upgradeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// newCrowd is clients with the demo key that ask for the stream with a query. The test
// is skipped where a process may not have so many of them at a time.
func newCrowd(t *testing.T, n *nodetest.Node, atOnce int, query string) *crowd {
	t.Helper()
	const beside = 200 // files that are no client's
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if need := uint64(atOnce + beside); limit.Cur < need {
		t.Skipf("needs %d open files, and a process may have %d: raise the hard limit (ulimit -Hn)", need, limit.Cur)
	}
	addr := strings.TrimPrefix(n.URL, "http://")
	return &crowd{addr, []byte("GET /ws/ticker" + query + " HTTP/1.1\r\n" +
		"Host: " + addr + "\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: " + upgradeKey + "\r\n" +
		"Authorization: Bearer " + n.Token(t, n.Key) + "\r\n\r\n")}
}

// gather has count clients come at once, none of them waiting for another to be
// served. It returns when each has been welcomed and has had its snapshot.
func (c *crowd) gather(t *testing.T, count int) []visitor {
	t.Helper()
	began := time.Now()
	visitors := make([]visitor, 0, count)
	t.Cleanup(func() { _ = disperse(visitors) }) // they may have gone
	for i := range count {
		v, err := c.arrive(i)
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		visitors = append(visitors, v)
	}
	arrived := time.Since(began)
	for i, v := range visitors {
		err := v.enter()
		if err == nil {
			err = v.greeted()
		}
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	t.Logf("%d clients have asked for the stream within %v, and been served within %v", count, arrived, time.Since(began))
	return visitors
}

// disperse ends the connections of a crowd, as the end of its process would.
func disperse(visitors []visitor) error {
	var errs []error
	for _, v := range visitors {
		errs = append(errs, v.conn.Close())
	}
	return errors.Join(errs...)
}

// A visitor is one of a crowd. Unlike a [client] it costs little: it tells messages
// apart without decoding them.
type visitor struct {
	conn *net.TCPConn
	in   *bufio.Reader
}

// homes are how many addresses a crowd comes from, so that it does not run out of ports
// while those rest that it has used.
const homes = 16

// arrive connects client i, which asks for the stream and waits for nothing.
func (c *crowd) arrive(i int) (visitor, error) {
	dialer := net.Dialer{Timeout: nodetest.Patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i%homes))}}
	conn, err := dialer.Dial("tcp", c.addr)
	if err != nil {
		return visitor{}, err
	}
	if _, err := conn.Write(c.request); err != nil {
		conn.Close()
		return visitor{}, err
	}
	return visitor{conn.(*net.TCPConn), bufio.NewReaderSize(conn, 1<<10)}, nil
}

// enter waits until the server has accepted the upgrade.
func (v visitor) enter() error {
	if err := v.conn.SetReadDeadline(time.Now().Add(nodetest.Patience)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(v.in, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != upgradeAccept {
		return fmt.Errorf("the answer to an upgrade is %s, %v", resp.Status, resp.Header)
	}
	return nil
}

// greeted reads the welcome and the snapshot, with which every stream begins.
func (v visitor) greeted() error {
	for _, mark := range []string{`"type":"welcome"`, `"snapshot":true`} {
		m, err := v.next()
		if err != nil {
			return err
		}
		if !strings.Contains(m, mark) {
			return fmt.Errorf("instead of a message with %s: %s", mark, m)
		}
	}
	return nil
}

// next waits for the next message.
func (v visitor) next() (string, error) {
	op, payload, err := v.frame()
	if err == nil && op != ws.OpText {
		err = fmt.Errorf("instead of a message a frame of type %#x: %q", op, payload)
	}
	return string(payload), err
}

// frame waits for the next frame.
func (v visitor) frame() (ws.OpCode, []byte, error) {
	const most = 64 << 10
	if err := v.conn.SetReadDeadline(time.Now().Add(nodetest.Patience)); err != nil {
		return 0, nil, err
	}
	head, err := ws.ReadHeader(v.in)
	if err == nil && head.Length > most {
		err = fmt.Errorf("a frame of %d bytes", head.Length)
	}
	if err != nil {
		return 0, nil, err
	}
	payload := make([]byte, head.Length)
	_, err = io.ReadFull(v.in, payload)
	return head.OpCode, payload, err
}

// until waits for a message with some text in it, and passes over those before.
func (v visitor) until(text string) error {
	for {
		if m, err := v.next(); err != nil || strings.Contains(m, text) {
			return err
		}
	}
}
