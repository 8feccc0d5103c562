package standin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func TestFaultText(t *testing.T) {
	for _, text := range []string{"silence", "kraken:silence", "drop", "drop=1", "refuse=503", "off=-2.5", "clock=-1h", "delist=BTC-USD", "binance:maintenance"} {
		var f Fault
		if err := f.UnmarshalText([]byte(text)); err != nil || f.String() != text {
			t.Errorf("%s: %v, %v", text, f, err)
		}
	}
	for _, text := range []string{
		"", ":", "nothing", "mtgox:silence", "silence=1", "drop=-1", "drop=x", "refuse", "refuse=200", "refuse=x",
		"off", "off=-100", "off=NaN", "off=x", "clock=soon", "delist=BTC", "kraken:",
	} {
		f := Fault{Kind: "untouched"}
		if err := f.UnmarshalText([]byte(text)); !errors.Is(err, ErrFault) || f.Kind != "untouched" {
			t.Errorf("%q: %v, %v", text, f, err)
		}
	}
}

// TestFaultThatIsNone: it need not have been read from a text.
func TestFaultThatIsNone(t *testing.T) {
	s, err := New(Defaults())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []Fault{{}, {Kind: "nothing"}, {Exchange: "mtgox", Kind: faultSilence}, {Kind: faultRefuse, Value: "200"}} {
		if err := s.Fault(f); !errors.Is(err, ErrFault) {
			t.Errorf("%v: %v", f, err)
		}
	}
	if got := s.Faults(); len(got) > 0 {
		t.Errorf("made are %v", got)
	}
}

// FuzzFault: what is a fault is one again as text, and can be made.
func FuzzFault(f *testing.F) {
	for _, text := range []string{"kraken:silence", "off=5", "clock=1h", "delist=BTC-USD", "drop=3", "refuse=429"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var fault, again Fault
		if err := fault.UnmarshalText([]byte(text)); err != nil {
			return
		}
		if err := again.UnmarshalText([]byte(fault.String())); err != nil || again != fault {
			t.Errorf("%v becomes %v, %v", fault, again, err)
		}
		if err := faultValues[fault.Kind](newFaults(), fault.Value); err != nil {
			t.Error(err)
		}
	})
}

// subscribed is a connection to Coinbase that has seen a price.
func (r *running) subscribed() *client {
	r.t.Helper()
	c := r.dial("/coinbase")
	c.write(coinbaseSubscribe)
	c.until(`"type":"ticker"`)
	return c
}

func TestFaultsOfMessages(t *testing.T) {
	for name, check := range map[string]func(t *testing.T, s *running, c *client){
		"garbage": func(t *testing.T, s *running, c *client) {
			c.until("502 Bad Gateway")
			s.Mend()
			c.until(`"type":"ticker"`)
		},
		"half": func(t *testing.T, s *running, c *client) {
			for {
				h, err := ws.ReadHeader(c.r)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for one := make([]byte, 1); n < int(h.Length); n++ {
					if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
						t.Fatal(err)
					}
					if _, err := io.ReadFull(c.r, one); err != nil {
						break
					}
				}
				if n < int(h.Length) {
					break
				}
			}
		},
		"huge=1": func(t *testing.T, s *running, c *client) {
			if got := c.until("xxxx"); len(got) < 2<<20 {
				t.Errorf("%d bytes", len(got))
			}
		},
		"drop": func(t *testing.T, s *running, c *client) {
			if code, _ := c.closed(); code != ws.StatusAbnormalClosure {
				t.Errorf("closed with %d", code)
			}
		},
		"duplicate=1": func(t *testing.T, s *running, c *client) {
			twice := 0
			for i, last := 0, ""; i < 20; i++ {
				m := c.until(`"type":"ticker"`)
				if m == last {
					twice++
				}
				last = m
			}
			if twice != 1 {
				t.Errorf("%d messages came twice", twice)
			}
		},
		"negative": func(t *testing.T, s *running, c *client) {
			c.until(`"price":"-`)
		},
		"backwards=1": func(t *testing.T, s *running, c *client) {
			back := 0
			for i, last := 0, time.Now().UTC().Add(-time.Second).Format(time.RFC3339); i < 20; i++ {
				at := fields(t, c.until(`"type":"ticker"`))["time"].(string)
				if at < last {
					back++
				}
				last = at
			}
			if back != 1 {
				t.Errorf("%d messages are older than the one before", back)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := run(t, brisk())
			c := s.subscribed()
			s.fault("coinbase:" + name)
			check(t, s, c)
		})
	}
}

func TestFaultsOfExchange(t *testing.T) {
	for name, check := range map[string]func(t *testing.T, s *running, c *client){
		"silence": func(t *testing.T, s *running, c *client) {
			c.write(coinbaseSubscribe)
			drain(t, c)
			s.Mend()
			c.until(`"type":"ticker"`)
		},
		"heartbeats": func(t *testing.T, s *running, c *client) {
			c.write(`{"type":"subscribe","product_ids":["BTC-USD"],"channels":["heartbeat"]}`)
			c.until(`"subscriptions"`)
			for range 2 {
				if got := c.read(); !strings.Contains(got, `"heartbeat"`) {
					t.Errorf("got %s", got)
				}
			}
		},
		"off=50": func(t *testing.T, s *running, c *client) {
			right := s.dial("/kraken")
			right.write(krakenSubscribe)
			data := fields(t, right.until(`"update","data":[{"symbol"`))["data"].([]any)[0]
			want := 1.5 * number(t, data.(map[string]any)["last"].(json.Number))
			for got := 0.0; got < 0.99*want || got > 1.01*want; { // it takes until the next trade
				got = number(t, json.Number(fields(t, c.until(`"type":"ticker"`))["price"].(string)))
			}
		},
		"clock=-48h": func(t *testing.T, s *running, c *client) {
			c.until(`"time":"` + time.Now().UTC().Add(-48*time.Hour).Format("2006-01-02"))
		},
		"refuse=503": func(t *testing.T, s *running, c *client) {
			if got := s.dialStatus("/coinbase"); got != http.StatusServiceUnavailable {
				t.Errorf("status %d", got)
			}
			var answer any
			if got := s.get("/coinbase/products/BTC-USD/candles", &answer); got != http.StatusServiceUnavailable {
				t.Errorf("status %d", got)
			}
			if got := s.dialStatus("/kraken"); got != http.StatusSwitchingProtocols {
				t.Errorf("of another exchange: status %d", got)
			}
			c.until(`"type":"ticker"`)
		},
		"delist=BTC-USD": func(t *testing.T, s *running, c *client) {
			c.until("BTC-USD is delisted")
			c.write(`{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channels":["ticker"]}`)
			c.until("BTC-USD is delisted")
			c.until("subscriptions")
			for range 5 {
				if got := c.until(`"type":"ticker"`); strings.Contains(got, "BTC-USD") {
					t.Errorf("got %s", got)
				}
			}
		},
		"maintenance": func(t *testing.T, s *running, c *client) {
			if code, reason := c.closed(); code != ws.StatusGoingAway || reason != "maintenance" {
				t.Errorf("closed with %d %q", code, reason)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := run(t, brisk())
			c := s.subscribed()
			s.fault("coinbase:" + name)
			check(t, s, c)
		})
	}
}

// drain reads until nothing comes any more.
func drain(t *testing.T, c *client) {
	t.Helper()
	for {
		if err := c.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.frame(); err != nil {
			break
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}

func TestMaintenanceOfKraken(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/kraken")
	c.write(krakenSubscribe)
	c.until(`"update","data":[{"symbol"`)
	s.fault("maintenance")
	c.until(`"system":"maintenance"`)
	c.until(`{"channel":"heartbeat"}`)
	s.Mend()
	c.until(`"system":"online"`)
	c.until(`"update","data":[{"symbol"`)
}

func TestMaintenanceOfBinance(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/binance")
	c.write(binanceSubscribe)
	c.until("result")
	s.fault("binance:maintenance")
	like(t, c.until("serverShutdown"), `{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}`)
	other := s.dial("/binance")
	other.write(binanceSubscribe)
	other.until("24hrTicker")
	s.venue("binance").round(time.Now().Add(11 * time.Second))
	if code, _ := c.closed(); code != ws.StatusGoingAway {
		t.Errorf("closed with %d", code)
	}
	other.write(`{"method":"LIST_SUBSCRIPTIONS","id":1}`) // it is still there
	other.until(`["btcusdt@ticker"]`)
}

// TestControl makes and ends faults by HTTP.
func TestControl(t *testing.T) {
	s := run(t, brisk())
	request := func(method, body string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.addr+"/faults", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer http.DefaultClient.CloseIdleConnections()
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	for _, tt := range []struct {
		method, body string
		status       int
		answer       string
	}{
		{"GET", "", 200, ""},
		{"POST", "kraken:silence\nrefuse=429", 200, "kraken:silence\nrefuse=429\n"},
		{"POST", "off=5 nothing", 400, ""},
		{"POST", strings.Repeat("x", maxFaults+1), 400, ""},
		{"GET", "", 200, "kraken:silence\nrefuse=429\n"},
		{"DELETE", "", 200, ""},
		{"PUT", "off=5", 405, ""},
	} {
		status, answer := request(tt.method, tt.body)
		if status != tt.status || status == 200 && answer != tt.answer {
			t.Errorf("%s %.20q: %d %q", tt.method, tt.body, status, answer)
		}
	}
	s.subscribed()
}
