package exchangetest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"

	"tickerd/pricefeed/exchangetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial connects a client to s.
func dial(t *testing.T, s *exchangetest.Server) net.Conn {
	t.Helper()
	c, _, _, err := ws.Dial(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func write(t *testing.T, c net.Conn, op ws.OpCode, text string) {
	t.Helper()
	if err := wsutil.WriteClientMessage(c, op, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, c net.Conn) string {
	t.Helper()
	text, err := wsutil.ReadServerText(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestBothWays(t *testing.T) {
	s := exchangetest.New(t)
	client := dial(t, s)
	c := s.Accept()
	write(t, client, ws.OpPing, "are you there")
	write(t, client, ws.OpText, "hello")
	write(t, client, ws.OpText, "again")
	if f := c.Next(); f.Op != ws.OpPing || f.Payload != "are you there" {
		t.Errorf("got %v", f)
	}
	if got := c.Read() + c.Read(); got != "helloagain" {
		t.Errorf("got %q", got)
	}
	c.Send("one")
	c.SendFragments("t", "w", "o")
	c.SendRaw([]byte{0x81, 5, 't', 'h', 'r'})
	c.SendRaw([]byte("ee"))
	if got := read(t, client) + read(t, client) + read(t, client); got != "onetwothree" {
		t.Errorf("got %q", got)
	}
	c.Close(1001, "maintenance")
	_, err := wsutil.ReadServerText(client) // answers the close
	if closed, ok := errors.AsType[wsutil.ClosedError](err); !ok || closed.Code != 1001 || closed.Reason != "maintenance" {
		t.Errorf("got %v", err)
	}
	client.Close()
	if got := c.Ended(); got != 1001 {
		t.Errorf("the client closed with %d", got)
	}
}

func TestEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(net.Conn)
		want ws.StatusCode
	}{
		"with a code":    {func(c net.Conn) { write(t, c, ws.OpClose, "\x0f\xa1why") }, 4001},
		"without a code": {func(c net.Conn) { write(t, c, ws.OpClose, "") }, 1005},
		"without a word": {func(net.Conn) {}, 1006},
	} {
		t.Run(name, func(t *testing.T) {
			s := exchangetest.New(t)
			client := dial(t, s)
			tt.end(client)
			client.Close()
			if got := s.Accept().Ended(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	s := exchangetest.New(t)
	s.Refuse(429, http.Header{"Retry-After": {"7"}})
	s.Refuse(503, nil)
	for _, want := range []ws.StatusError{429, 503} {
		if _, _, _, err := ws.Dial(t.Context(), s.URL()); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	dial(t, s)
	s.Accept()
	if n := len(s.Handshakes()); n != 3 {
		t.Errorf("%d handshakes", n)
	}
}

func TestDropAndClose(t *testing.T) {
	s := exchangetest.New(t)
	first, second := dial(t, s), dial(t, s)
	c := s.Accept()
	c.Drop()
	s.Close()
	for _, client := range []net.Conn{first, second} {
		if _, err := wsutil.ReadServerText(client); err == nil {
			t.Error("the connection goes on")
		}
	}
	c.Send("to nobody")
	if _, _, _, err := ws.Dial(t.Context(), s.URL()); err == nil {
		t.Error("a closed server is connected")
	}
}

func TestTLS(t *testing.T) {
	s := exchangetest.NewTLS(t)
	if _, _, _, err := ws.Dial(t.Context(), s.URL()); err == nil {
		t.Error("the certificate is trusted by all")
	}
	c, _, _, err := ws.Dialer{TLSConfig: &tls.Config{RootCAs: s.Roots()}}.Dial(context.Background(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.Accept().Send("hello")
	if got := read(t, c); got != "hello" {
		t.Errorf("got %q", got)
	}
}
