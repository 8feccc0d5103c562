package gateway

import (
	"encoding/json"
	"net/http"
	"slices"

	"tickerd/bus"
	"tickerd/ticker"
)

// getStats answers with what became of each symbol in the last 24 hours.
func (g *Gateway) getStats(w http.ResponseWriter, r *http.Request) {
	who, ok := g.visitorOf(w, r, routeStats)
	if !ok {
		return
	}
	symbols, err := parseSymbols(r.URL.Query())
	if err != nil {
		g.answerRefusal(w, badRequest(err))
		return
	}
	if !seesAll(who.scope, symbols) {
		g.answerRefusal(w, refusePolicy)
		return
	}
	all := []json.RawMessage{}
	for from, more := 0, true; more; {
		var result bus.StatsResult
		if err := g.askHistory(r, bus.PriceStats, bus.StatsRequest{From: from}, &result); err != nil || result.Data == nil {
			g.failHistory(w, r, err, result.Error)
			return
		}
		all = append(all, result.Data...)
		from, more = result.Next, result.Next > from
	}
	matches := ticker.Rules(symbols).Matcher()
	writeJSON(w, http.StatusOK, map[string]any{"data": slices.DeleteFunc(all, func(stats json.RawMessage) bool {
		var of struct {
			Symbol ticker.Symbol `json:"symbol"`
		}
		err := json.Unmarshal(stats, &of)
		return err != nil || symbols != nil && !matches(of.Symbol) || !who.scope.Sees(of.Symbol)
	})})
}
