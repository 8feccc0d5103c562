package main

import (
	"context"
	"log/slog"
	"os"
	"reflect"
	"slices"

	"tickerd/ticker"
)

// symbolsKey is the one setting that takes effect while the server runs.
const symbolsKey = "pricefeed.symbols"

// A reloader reads the settings again whenever it is told to.
type reloader struct {
	hangups   <-chan os.Signal
	read      func() (settings, error)
	subscribe func([]ticker.Symbol)
	log       *slog.Logger
	current   settings
}

// Run reloads until ctx ends.
func (r *reloader) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.hangups:
			r.reload()
		}
	}
}

// reload takes in the symbols, and names what else has changed. Settings with a fault
// change nothing.
func (r *reloader) reload() {
	next, err := r.read()
	if err != nil {
		r.log.Error("settings are not reloaded", "err", err)
		return
	}
	for _, key := range changedKeys(r.current, next) {
		if key != symbolsKey {
			r.log.Warn("a setting has changed: it takes effect at the next start", "key", key)
		}
	}
	symbols, err := parseSymbols(next.PriceFeed)
	if err != nil {
		r.log.Error("settings are not reloaded", "err", err)
		return
	}
	if !slices.Equal(r.current.PriceFeed.Symbols, next.PriceFeed.Symbols) {
		r.current.PriceFeed.Symbols = next.PriceFeed.Symbols
		r.subscribe(symbols)
	}
	r.log.Info("settings are reloaded", "symbols", len(symbols))
}

// changedKeys are those of which one of the settings has another value.
func changedKeys(a, b settings) (changed []string) {
	values := map[string]any{}
	for key, value := range keys(reflect.ValueOf(a)) {
		values[key] = value.Interface()
	}
	for key, value := range keys(reflect.ValueOf(b)) {
		if !reflect.DeepEqual(values[key], value.Interface()) {
			changed = append(changed, key)
		}
	}
	return changed
}
