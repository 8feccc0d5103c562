package standin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// dialStatus is how a handshake is answered.
func (r *running) dialStatus(path string) int {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sock, _, _, err := ws.Dial(ctx, "ws://"+r.addr+path)
	if refused, ok := errors.AsType[ws.StatusError](err); ok {
		return int(refused)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	sock.Close()
	return http.StatusSwitchingProtocols
}

// Who connects too often is refused.
func TestTooManyConnects(t *testing.T) {
	s := run(t, brisk())
	for path, most := range map[string]int{"/coinbase": 20, "/kraken": 150, "/binance": 300} {
		n := 0
		for n < 2*most && s.dialStatus(path) == http.StatusSwitchingProtocols {
			n++
		}
		if n < most || n == 2*most {
			t.Errorf("%s: %d connections at once", path, n)
		}
	}
	if got := s.dialStatus("/kraken"); got != http.StatusTooManyRequests {
		t.Errorf("who was refused is answered %d", got)
	}
}

func TestUnlimited(t *testing.T) {
	config := brisk()
	config.Unlimited = true
	s := run(t, config)
	for range 60 {
		if got := s.dialStatus("/coinbase"); got != http.StatusSwitchingProtocols {
			t.Fatalf("status %d", got)
		}
	}
}

func TestTooManyMessages(t *testing.T) {
	s := run(t, brisk())
	flood := func(c *client, n int) {
		for range n {
			_ = wsutil.WriteClientText(c, []byte(`{"method":"ping"}`)) // fails when it is closed, which is wanted
		}
	}
	coinbase, kraken, binance := s.dial("/coinbase"), s.dial("/kraken"), s.dial("/binance")
	flood(coinbase, 1000)
	if code, _ := coinbase.closed(); code != ws.StatusPolicyViolation && code != ws.StatusAbnormalClosure {
		t.Errorf("Coinbase closes with %d", code)
	}
	flood(kraken, 100)
	kraken.until(`{"Error":"Exceeded msg rate"}`)
	flood(binance, 20)
	if code, _ := binance.closed(); code != ws.StatusPolicyViolation && code != ws.StatusAbnormalClosure {
		t.Errorf("Binance closes with %d", code)
	}
}

func TestTooManyRequests(t *testing.T) {
	s := run(t, brisk())
	for path, want := range map[string]string{
		"/coinbase/products/BTC-USD/candles":                 "Public rate limit exceeded",
		"/kraken/0/public/OHLC?pair=XBTUSD&since=9999999999": "EGeneral:Too many requests",
	} {
		status := http.StatusOK
		var answer json.RawMessage
		for n := 0; n < 100 && status == http.StatusOK; n++ {
			status = s.get(path, &answer)
		}
		if status != http.StatusTooManyRequests || !strings.Contains(string(answer), want) {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}
