package handler_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/handler"
)

func TestConfig(t *testing.T) {
	if c := handler.Defaults(); c.Workers < 1 || c.Validate() != nil {
		t.Errorf("defaults %+v: %v", c, c.Validate())
	}
	for workers, ok := range map[int]bool{-1: false, 0: true, 1: true, 1024: true, 1025: false} {
		err := handler.Config{Workers: workers}.Validate()
		if ok != (err == nil) {
			t.Errorf("%d workers: %v", workers, err)
		}
		var key *bus.KeyError
		if err != nil && (!errors.As(err, &key) || key.Key != "workers") {
			t.Errorf("%d workers: %v names no key", workers, err)
		}
	}
}

// Without workers a node takes no connection, but lives.
func TestNoWorkers(t *testing.T) {
	s := bustest.New(t)
	c := bustest.Connect(t, s, "handler")
	h := handler.New(handler.Config{}, handler.Parts{Bus: c, Policies: auth.NewPolicies(nil), Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	<-h.Ready()
	var answer bus.Answer
	if err := c.Request(ctx, bus.JoinOf("a"), newJoin("a"), &answer); !errors.Is(err, bus.ErrNoResponders) {
		t.Errorf("a join is answered: %+v, %v", answer, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Without a bus there is nothing to be run.
func TestRunWithoutBus(t *testing.T) {
	s := bustest.New(t)
	c := bustest.Connect(t, s, "handler")
	h := handler.New(handler.Defaults(), handler.Parts{Bus: c, Policies: auth.NewPolicies(nil), Log: slog.New(slog.DiscardHandler)})
	c.Close()
	if err := h.Run(t.Context()); err == nil {
		t.Error("no error")
	}
}
