package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tickerd/bus"
	"tickerd/gateway/fanout"
)

const (
	// historyTimeout bounds the wait for whoever keeps the history.
	historyTimeout = 5 * time.Second

	// historyStart is how long it may take until somebody keeps it: behind a start, and
	// when another node takes it over, it is read first.
	historyStart = 2 * time.Second
	historyPoll  = 50 * time.Millisecond
)

var (
	refuseUnknown = &refusal{status: http.StatusNotFound, reason: fanout.ErrUnknownSymbol.Error()}
	refuseHistory = &refusal{status: http.StatusServiceUnavailable, reason: "history unavailable", header: "Retry-After", value: "5"}
)

// askHistory asks on the bus what became of prices. The gateway keeps nothing of it, nor
// does it know of which symbols there is something.
func (g *Gateway) askHistory(r *http.Request, subject string, request, result any) error {
	ctx, cancel := context.WithTimeout(r.Context(), historyTimeout)
	defer cancel()
	for began := time.Now(); ; {
		err := g.bus.Request(ctx, subject, request, result)
		if !errors.Is(err, bus.ErrNoResponders) || time.Since(began) >= historyStart {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(historyPoll):
		}
	}
}

// failHistory answers for a history that did not answer, or said why not.
func (g *Gateway) failHistory(w http.ResponseWriter, r *http.Request, err error, said string) {
	switch {
	case r.Context().Err() != nil: // the client has hung up
	case said == refuseUnknown.reason:
		g.answerRefusal(w, refuseUnknown)
	default:
		g.trouble.Do(func() { g.log.Warn("history", "err", err, "said", said) })
		g.answerRefusal(w, refuseHistory)
	}
}
