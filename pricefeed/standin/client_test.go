package standin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// brisk are exchanges that do not make a test wait.
func brisk() Config {
	c := Defaults()
	c.Rate = 100
	return c
}

// running is a server that serves until the test ends.
type running struct {
	*Server
	t    testing.TB
	addr string
}

func run(t testing.TB, c Config) *running {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		end()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return &running{s, t, listener.Addr().String()}
}

// fault makes a fault, which must be one.
func (r *running) fault(text string) {
	r.t.Helper()
	var f Fault
	if err := f.UnmarshalText([]byte(text)); err != nil {
		r.t.Fatal(err)
	}
	if err := r.Fault(f); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) venue(name string) *venue {
	i := slices.IndexFunc(r.venues, func(v *venue) bool { return v.name == name })
	return r.venues[i]
}

// get requests something by HTTP, and decodes the answer.
func (r *running) get(path string, into any) int {
	r.t.Helper()
	answer, err := http.Get("http://" + r.addr + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	decoder := json.NewDecoder(answer.Body)
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		r.t.Fatalf("%s: %v", path, err)
	}
	return answer.StatusCode
}

// client is a client's connection.
type client struct {
	net.Conn
	t testing.TB
	r io.Reader
}

func (r *running) dial(path string) *client {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sock, early, _, err := ws.Dial(ctx, "ws://"+r.addr+path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { sock.Close() })
	c := &client{Conn: sock, t: r.t, r: bufio.NewReader(sock)}
	if early != nil {
		c.r = early
	}
	if err := sock.SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (c *client) write(text string) {
	c.t.Helper()
	if err := wsutil.WriteClientText(c, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// frame is the next one.
func (c *client) frame() (ws.Frame, error) { return readFrame(c.r) }

func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

// read is the next message.
func (c *client) read() string {
	c.t.Helper()
	f, err := c.frame()
	if err != nil {
		c.t.Fatal(err)
	}
	if f.Header.OpCode != ws.OpText {
		c.t.Fatalf("not a message: %v %q", f.Header, f.Payload)
	}
	return string(f.Payload)
}

// until is the next message with a text in it.
func (c *client) until(text string) string {
	c.t.Helper()
	for {
		if m := c.read(); strings.Contains(m, text) {
			return m
		}
	}
}

// closed waits for the end, and returns the code of the close frame: 1006 without one.
func (c *client) closed() (ws.StatusCode, string) {
	c.t.Helper()
	for {
		f, err := c.frame()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || isReset(err):
			return ws.StatusAbnormalClosure, ""
		case err != nil:
			c.t.Fatal(err)
		case f.Header.OpCode == ws.OpClose:
			code, reason := ws.ParseCloseFrameData(f.Payload)
			return code, reason
		}
	}
}

func isReset(err error) bool { return err != nil && strings.Contains(err.Error(), "reset") }

// fields are the members of an object.
func fields(t testing.TB, text string) map[string]any {
	t.Helper()
	var m map[string]any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&m); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return m
}

// like checks that a message has the members of the one that is documented, and of the
// same types.
func like(t testing.TB, got, documented string) {
	t.Helper()
	if g, d := shape(fields(t, got)), shape(fields(t, documented)); g != d {
		t.Errorf("the shape is\n%s\nand documented is\n%s\nof %s", g, d, got)
	}
}

// shape is a value with every scalar replaced by its type, and of lists only the first.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var members []string
		for name, member := range v {
			members = append(members, name+":"+shape(member))
		}
		slices.Sort(members)
		return "{" + strings.Join(members, ",") + "}"
	case []any:
		if len(v) == 0 {
			return "[]"
		}
		return "[" + shape(v[0]) + "]"
	case string:
		return "string"
	case json.Number:
		return "number"
	case bool:
		return "bool"
	}
	return "null"
}

// unframed are the messages in frames that a server has sent.
func unframed(t testing.TB, frames []byte) [][]byte {
	t.Helper()
	var list [][]byte
	for r := bytes.NewReader(frames); r.Len() > 0; {
		f, err := readFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Header.OpCode == ws.OpText {
			list = append(list, f.Payload)
		}
	}
	return list
}
