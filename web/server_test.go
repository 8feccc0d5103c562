package web_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"tickerd/web"
)

const token = "t0ken"

// A server is what the page speaks to: it says what the test says, and has the
// history that the test gives it.
type server struct {
	t   *testing.T
	url string

	mu       sync.Mutex
	conn     net.Conn // the page's; nil before
	snapshot string
	stats    string              // the elements of its data; empty: there is no such route
	candles  func(string) string // the elements of the data of a symbol
	asked    []string            // the symbols whose candles were asked for, in order
	polls    int                 // how often the figures of 24 hours were
	busy     int                 // requests for candles under way
	busiest  int                 // and at most
}

// newServer starts a server that knows the prices of a snapshot, {symbol: digits},
// and ends with the test.
func newServer(t *testing.T, prices ...[2]string) *server {
	t.Helper()
	s := &server{t: t, snapshot: ticker(true, prices...), candles: func(string) string { return "" }}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /auth/token", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"token":%q,"user_id":"demo","expires_in":3600}`, token)
	})
	mux.HandleFunc("GET /api/v1/stats", s.getStats)
	mux.HandleFunc("GET /api/v1/candles", s.getCandles)
	mux.HandleFunc("GET /ws/ticker", s.upgrade)
	mux.Handle("/", web.Handler())
	h := httptest.NewServer(mux)
	s.url = h.URL
	t.Cleanup(func() {
		s.mu.Lock()
		conn := s.conn
		s.mu.Unlock()
		if conn != nil {
			_ = conn.Close()
		}
		h.Close()
	})
	return s
}

// ticker is a message with prices, {symbol, digits}.
func ticker(snapshot bool, prices ...[2]string) string {
	var data []string
	for _, p := range prices {
		data = append(data, fmt.Sprintf(`{"symbol":%q,"price":%s,"timestamp":%d}`, p[0], p[1], time.Now().Unix()))
	}
	return fmt.Sprintf(`{"type":"ticker","snapshot":%t,"seq":1,"ts":%d,"data":[%s]}`, snapshot, time.Now().UnixMicro(), strings.Join(data, ","))
}

func (s *server) getStats(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.polls++
	stats := s.stats
	s.mu.Unlock()
	answer(w, r, stats)
}

func (s *server) getCandles(w http.ResponseWriter, r *http.Request) {
	symbol := r.FormValue("symbol")
	s.mu.Lock()
	s.asked = append(s.asked, symbol)
	s.busy++
	s.busiest = max(s.busiest, s.busy)
	candles := s.candles(symbol)
	s.mu.Unlock()
	answer(w, r, candles)
	s.mu.Lock()
	s.busy--
	s.mu.Unlock()
}

func answer(w http.ResponseWriter, r *http.Request, elements string) {
	switch {
	case r.Header.Get("Authorization") != "Bearer "+token:
		http.Error(w, `{"error":"unauthorized"}`, http.StatusUnauthorized)
	case elements == "":
		http.Error(w, `{"error":"not found"}`, http.StatusNotFound)
	default:
		fmt.Fprintf(w, `{"data":[%s]}`, elements)
	}
}

// upgrade welcomes the page, and answers its pings until it goes.
func (s *server) upgrade(w http.ResponseWriter, r *http.Request) {
	upgrader := ws.HTTPUpgrader{Protocol: func(name string) bool { return name == "tickerd.v1" }}
	conn, _, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		s.t.Errorf("upgrade: %v", err)
		return
	}
	defer conn.Close()
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	s.say(`{"type":"welcome","user_id":"user:demo","conn_id":"c","symbols":["*"],"interval_ms":0,"expires_in":3600}`)
	s.say(s.snapshot)
	for {
		msg, err := wsutil.ReadClientText(conn)
		if err != nil {
			return
		}
		var ping struct {
			Type string  `json:"type"`
			ID   float64 `json:"id"`
		}
		if json.Unmarshal(msg, &ping) == nil && ping.Type == "ping" {
			s.say(fmt.Sprintf(`{"type":"pong","id":%v,"ts":%d}`, ping.ID, time.Now().UnixMicro()))
		}
	}
}

// say sends the page a message.
func (s *server) say(msg string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = wsutil.WriteServerText(s.conn, []byte(msg)) // where the page has gone, nobody listens
}

// requests are how often the figures of 24 hours were asked for, and the symbols
// whose candles were.
func (s *server) requests() (polls int, candles []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.polls, slices.Clone(s.asked)
}
