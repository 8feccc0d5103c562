package gateway

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"tickerd/bus"
	"tickerd/gateway/event"
	"tickerd/gateway/fanout"
)

// The stream as Server-Sent Events is a connection like any other, on which nothing is
// heard of the client. Each message is an event that is named as its type, ticks have
// their seq as id, and at the end comes an event "close" with the code and the reason
// that WebSocket would have in its close frame. An EventSource comes back by itself,
// and says where it was.

// keepTimeout is after how long without an event a comment is sent, so that no proxy
// takes the connection for dead.
const keepTimeout = 15 * time.Second

var eventStream = &protocol{
	route:     routeEvents,
	text:      eventOf,
	isMessage: func(frame []byte) bool { return !event.IsComment(frame) },
	ping:      []byte(event.Comment),
	idle:      keepTimeout,
	hearing:   deaf,
	goodbye:   closeEvent,
}

// eventOf is a message as an event, named as its type if it has one.
func eventOf(message []byte) []byte {
	var said struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(message, &said) // it may be any text
	return event.Append(nil, said.Type, message)
}

// What an EventSource does not do by itself is done for it: those who are lost
// together do not come back together, and who is sent away comes back soon.
const (
	returnAfter = 2 * time.Second // and up to as much again
	returnSoon  = 500 * time.Millisecond
)

// closeEvent tells why the connection ends.
func closeEvent(e ending) (b []byte) {
	if e.code == closeGoingAway {
		b = event.AppendRetry(b, spread(returnSoon))
	}
	said, err := json.Marshal(bus.Close{Code: int(e.code), Reason: e.reason})
	if err != nil {
		panic(err) // a number and a string always encode
	}
	return event.Append(b, "close", said)
}

// spread is d and up to as much again, at random.
func spread(d time.Duration) time.Duration { return d + rand.N(d) }

// getEvents answers a request for the stream as Server-Sent Events.
func (g *Gateway) getEvents(w http.ResponseWriter, r *http.Request) {
	a, refused := g.admitHTTP(events, r)
	if refused != nil {
		g.answerRefusal(w, refused)
		return
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		a.since = seqOf(id) // newer than what the address says
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodHead {
		g.places.give(a.token.UserID, a.addr)
		return
	}
	sock, _, ok := g.hijack(w, a)
	if !ok {
		return
	}
	if _, err := sock.Write(eventsHead(h)); err != nil {
		g.log.Debug("events", "remote_addr", a.addr, "err", err)
		g.places.give(a.token.UserID, a.addr)
		sock.Close()
		return
	}
	g.open(sock, a, fanout.Events, nil)
}

// eventsHead is what the events come behind. They end with the connection, which every
// version of HTTP understands, so that their bytes are alike for all.
func eventsHead(h http.Header) []byte {
	h.Set("Connection", "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(&b) // a Buffer takes everything
	b.WriteString("\r\n")
	return append(event.AppendRetry(b.Bytes(), spread(returnAfter)), '\n')
}

// seqOf is the seq that the id of an event was. One that is none of ours is known to
// nobody, and so cannot be resumed after.
func seqOf(id string) *uint64 {
	seq, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		seq = math.MaxUint64
	}
	return &seq
}
