package coinbase

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// As the exchange sends them, the newest first, the last minute's without a trade.
const candles = `[[1700000220,42001.5,42020,42010.00,42019.99,3.5],[1700000100,41990.01,42010,42000,42000.1,12.25317],[1700000040,1,4,2,3,9]]`

func TestCandles(t *testing.T) {
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		_, _ = w.Write([]byte(candles)) // the client shows it
	}))
	defer s.Close()
	source := New(Config{URL: URL, REST: s.URL}, nil, slog.New(slog.DiscardHandler))
	got, err := source.Candles(t.Context(), "BTC-USD", time.Minute, time.Unix(1700000100, 0))
	want := []ticker.Candle{
		{Start: 1700000100, Open: "42000", High: "42010", Low: "41990.01", Close: "42000.1"},
		{Start: 1700000220, Open: "42010.00", High: "42020", Low: "42001.5", Close: "42019.99"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	// 300 of them: both ends count.
	if want := "/products/BTC-USD/candles?end=2023-11-15T03%3A14%3A00Z&granularity=60&start=2023-11-14T22%3A15%3A00Z"; asked != want {
		t.Errorf("asked for %s, want %s", asked, want)
	}
	if _, err := source.Candles(t.Context(), "BTC-USD", time.Second, time.Unix(1700000100, 0)); !errors.Is(err, exchange.ErrInterval) {
		t.Errorf("seconds: %v", err)
	}
}

func TestValidate(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
	for key, cfg := range map[string]Config{
		"url":  {URL: "https://ws-feed.exchange.coinbase.com", REST: REST},
		"rest": {URL: URL, REST: "api.exchange.coinbase.com"},
	} {
		if wrong, ok := errors.AsType[*bus.KeyError](cfg.Validate()); !ok || wrong.Key != key {
			t.Errorf("%+v: %v, want %s", cfg, cfg.Validate(), key)
		}
	}
}
