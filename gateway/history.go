package gateway

import (
	"context"
	"net/http"
	"time"

	"tickerd/gateway/fanout"
)

// historyTimeout bounds the wait for whoever keeps the history.
const historyTimeout = 5 * time.Second

var (
	refuseUnknown = &refusal{status: http.StatusNotFound, reason: fanout.ErrUnknownSymbol.Error()}
	refuseHistory = &refusal{status: http.StatusServiceUnavailable, reason: "history unavailable", header: "Retry-After", value: "5"}
)

// askHistory asks on the bus what became of prices. The gateway keeps nothing of it, nor
// does it know of which symbols there is something.
func (g *Gateway) askHistory(r *http.Request, subject string, request, result any) error {
	ctx, cancel := context.WithTimeout(r.Context(), historyTimeout)
	defer cancel()
	return g.bus.Request(ctx, subject, request, result)
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
