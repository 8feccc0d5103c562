package main

import (
	"fmt"
	"io"
	"log/slog"

	"tickerd/bus"
)

// logConfig is the table [log] of the settings.
type logConfig struct {
	Format string `toml:"format"` // text, or json: an object a line
	Level  string `toml:"level"`  // debug, info, warn, error
}

func logDefaults() logConfig { return logConfig{Format: "text", Level: "info"} }

// Validate names the first key that is wrong.
func (c logConfig) Validate() error {
	if c.Format != "text" && c.Format != "json" {
		return &bus.KeyError{Key: "format", Err: fmt.Errorf("%q is neither text nor json", c.Format)}
	}
	if _, err := c.level(); err != nil {
		return &bus.KeyError{Key: "level", Err: err}
	}
	return nil
}

func (c logConfig) level() (slog.Level, error) {
	level, ok := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}[c.Level]
	if !ok {
		return 0, fmt.Errorf("%q is none of debug, info, warn, error", c.Level)
	}
	return level, nil
}

// newLog logs to w. The settings are valid.
func newLog(c logConfig, w io.Writer) *slog.Logger {
	level, _ := c.level()
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: asText}))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// asText has JSON show addresses and durations as text does: "127.0.0.1:8081" and
// "10ms", not their innards.
func asText(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindAny, slog.KindDuration:
		if text, ok := a.Value.Any().(fmt.Stringer); ok {
			return slog.String(a.Key, text.String())
		}
	}
	return a
}
