package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tickerd/ticker"
)

func TestReload(t *testing.T) {
	before := defaultSettings()
	other := before
	other.PriceFeed.Symbols = []string{"DOGE-USD", "BTC-USD"}
	other.Server.Listen = ":1"
	other.Auth.TokenTTL++

	var out strings.Builder
	var subscribed [][]ticker.Symbol
	next, fault := before, error(nil)
	r := &reloader{
		read:      func() (settings, error) { return next, fault },
		subscribe: func(s []ticker.Symbol) { subscribed = append(subscribed, s) },
		log:       slog.New(slog.NewTextHandler(&out, nil)),
		current:   before,
	}
	said := func(want ...string) {
		t.Helper()
		for _, text := range want {
			if !strings.Contains(out.String(), text) {
				t.Errorf("%q is not in\n%s", text, out.String())
			}
		}
		out.Reset()
	}

	r.reload()
	said("settings are reloaded")
	if subscribed != nil {
		t.Errorf("nothing has changed: %v", subscribed)
	}

	next = other
	r.reload()
	said("key=server.listen", "key=auth.token_ttl", "symbols=2")
	if len(subscribed) != 1 || !slices.Equal(subscribed[0], []ticker.Symbol{"DOGE-USD", "BTC-USD"}) {
		t.Errorf("subscribed: %v", subscribed)
	}

	fault = errors.New("config.toml:3: server.listen: not an address")
	r.reload()
	said("not reloaded", "config.toml:3")
	fault, next = nil, before
	r.reload()
	if said("settings are reloaded"); len(subscribed) != 2 {
		t.Errorf("subscribed: %v", subscribed)
	}
}

func TestReloadsWhenTold(t *testing.T) {
	hangups, read := make(chan os.Signal), make(chan struct{})
	r := &reloader{
		hangups: hangups,
		read: func() (settings, error) {
			read <- struct{}{}
			return defaultSettings(), nil
		},
		log:     slog.New(slog.DiscardHandler),
		current: defaultSettings(),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	for range 2 {
		hangups <- syscall.SIGHUP
		<-read
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
