package gateway

import (
	"net"
	"net/http"

	"tickerd/auth"
	"tickerd/ticker"
)

// getPrices answers with the newest price of every symbol that the token sees.
func (g *Gateway) getPrices(w http.ResponseWriter, r *http.Request) {
	if who, ok := g.visitorOf(w, r, routePrices); ok {
		write(w, http.StatusOK, g.hub.AppendPrices(nil, who.scope.Sees))
	}
}

// getPrice answers with one symbol's newest price.
func (g *Gateway) getPrice(w http.ResponseWriter, r *http.Request) {
	who, ok := g.visitorOf(w, r, routePrices)
	if !ok {
		return
	}
	symbol, err := ticker.ParseSymbol(r.PathValue("symbol"))
	if err == nil && !who.scope.Sees(symbol) {
		g.answerRefusal(w, refusePolicy)
		return
	}
	body, err := g.hub.AppendPrice(nil, symbol)
	if err != nil {
		writeError(w, http.StatusNotFound, err.Error())
		return
	}
	write(w, http.StatusOK, body)
}

// visitorOf identifies who asks for prices by a route, or answers why not.
func (g *Gateway) visitorOf(w http.ResponseWriter, r *http.Request, route string) (visitor, bool) {
	peer, err := net.ResolveTCPAddr("tcp", r.RemoteAddr)
	if err != nil {
		g.answerRefusal(w, refuseInternal)
		return visitor{}, false
	}
	who, refused := g.identify(headOf(r), r.URL.Query(), peerOf(peer))
	if refused == nil && !who.scope.Allows(auth.ActionConnect, route) {
		refused = refusePolicy
	}
	if refused != nil {
		g.answerRefusal(w, refused)
		return visitor{}, false
	}
	return who, true
}
