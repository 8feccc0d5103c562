package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"tickerd/gateway/event/eventtest"
)

// sse is the request of a client that wants Server-Sent Events.
func sse(token string) request { return get("/sse/ticker").and("Authorization: Bearer " + token) }

// A listener is a client of Server-Sent Events that trusts nobody: whatever an
// EventSource would not understand fails the test.
type listener struct {
	*wire
	header http.Header
	events *eventtest.Reader
	last   eventtest.Event
	id     string
}

// listening sends a request for events, and fails unless it is granted.
func (c *wire) listening(r request) *listener {
	c.t.Helper()
	c.send(r.String())
	got, err := http.ReadResponse(c.r, &http.Request{Method: r.method})
	if err != nil {
		c.t.Fatal(err)
	}
	if got.StatusCode != http.StatusOK || got.ContentLength >= 0 || got.Uncompressed || !got.Close {
		body, _ := io.ReadAll(got.Body)
		c.t.Fatalf("got %+v %s", got, body)
	}
	return &listener{wire: c, header: got.Header, events: eventtest.NewReader(got.Body)}
}

// listen opens a stream of events.
func (w *world) listen(r request) *listener {
	w.Helper()
	return w.dial().listening(r)
}

// attend opens a stream of events, and reads its welcome and its first snapshot.
func (w *world) attend(r request) *listener {
	w.Helper()
	l := w.listen(r)
	l.welcome()
	if m := l.next(); m.Type != "ticker" || !m.Snapshot {
		w.Fatalf("got %s, want a snapshot", m.raw)
	}
	return l
}

// tryNext reads an event that is a message.
func (l *listener) tryNext() (message, error) {
	l.t.Helper()
	e, err := l.events.Next()
	if err != nil {
		return message{}, err
	}
	m := message{raw: e.Data, Type: e.Name}
	if e.Name != "close" {
		if err := json.Unmarshal([]byte(e.Data), &m); err != nil {
			l.t.Fatalf("%v: %s", err, e.Data)
		}
	}
	id := l.last.ID // stays
	if e.Name == "ticker" {
		id = fmt.Sprint(m.Seq)
	}
	if e.Name != m.Type || e.ID != id {
		l.t.Fatalf("event %q, id %q: %s", e.Name, e.ID, e.Data)
	}
	l.last = e
	return m, nil
}

// next reads an event, which must come next.
func (l *listener) next() message {
	l.t.Helper()
	m, err := l.tryNext()
	if err != nil {
		l.t.Fatal(err)
	}
	return m
}

// welcome reads the welcome, which comes first.
func (l *listener) welcome() message {
	l.t.Helper()
	m := l.next()
	if m.Type != "welcome" || m.ConnID == "" {
		l.t.Fatalf("got %s, want a welcome", m.raw)
	}
	l.id = m.ConnID
	l.t.mustLeave(l.id)
	return m
}

// want reads events, and fails unless they are these, byte for byte.
func (l *listener) want(texts ...string) {
	l.t.Helper()
	for _, want := range texts {
		if m := l.next(); m.raw != want {
			l.t.Fatalf("got  %s\nwant %s", m.raw, want)
		}
	}
}

// wantEnd fails unless the stream ends like this.
func (l *listener) wantEnd(code int, reason string) {
	l.t.Helper()
	for l.last.Name != "close" {
		l.next()
	}
	if want := fmt.Sprintf(`{"code":%d,"reason":%q}`, code, reason); l.last.Data != want {
		l.t.Errorf("closed with %s, want %s", l.last.Data, want)
	}
	if _, err := l.events.Next(); !errors.Is(err, io.EOF) {
		l.t.Errorf("behind the end: %v", err)
	}
	l.Close()
	l.t.wantLeave(l.id, code, reason)
}

// bye hangs up.
func (l *listener) bye() {
	l.t.Helper()
	l.Close()
	l.t.wantLeave(l.id, 1006, "connection lost")
}

// everyWay runs a test on a fresh connection, and on one that was used before.
func (w *world) everyWay(t *testing.T, f func(t *testing.T, w *world, listen func(request) *listener)) {
	t.Helper()
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		f(t, w, func(r request) *listener { return w.dialBy(by).listening(r) })
	})
}
