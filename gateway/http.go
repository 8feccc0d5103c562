package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rs/cors"
)

// routes is everything that is asked by HTTP.
func (g *Gateway) routes(page http.Handler) http.Handler {
	open := cors.New(cors.Options{
		AllowedOrigins:   g.origins,
		AllowOriginFunc:  nobody(g.origins),
		AllowedMethods:   []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders:   []string{"*"},
		AllowCredentials: !slices.Contains(g.origins, anyOrigin),
		MaxAge:           600,
	})
	mux := http.NewServeMux()
	shared := func(h http.Handler) http.Handler { return open.Handler(g.inReach(h)) }
	mux.Handle("/auth/token", shared(only([]string{http.MethodPost}, g.postToken)))
	mux.Handle(routePrices, shared(only(reads, g.getPrices)))
	mux.Handle(routePrices+"/{symbol}", shared(only(reads, g.getPrice)))
	mux.Handle(routeCandles, shared(only(reads, g.getCandles)))
	mux.Handle(routeStats, shared(only(reads, g.getStats)))
	mux.Handle("/healthz", only(reads, g.getHealth))
	mux.Handle("/readyz", only(reads, g.getReady))
	mux.HandleFunc(routeWebSocket, g.upgradeHTTP)
	mux.Handle(routeEvents, open.Handler(http.HandlerFunc(g.getEvents)))
	for _, room := range []string{"/api", "/auth", "/ws", "/sse"} {
		mux.HandleFunc(room, notFound)
		mux.HandleFunc(room+"/", notFound)
	}
	mux.Handle("/", page)
	return mux
}

// reads are the methods that change nothing.
var reads = []string{http.MethodGet, http.MethodHead}

// nobody refuses every origin where none is allowed, which package cors would
// take for all of them.
func nobody(origins []string) func(string) bool {
	if len(origins) > 0 {
		return nil
	}
	return func(string) bool { return false }
}

// only refuses all but the methods.
func only(methods []string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			refused := refuseMethod(methods)
			w.Header().Set(refused.header, refused.value)
			writeError(w, refused.status, refused.reason)
			return
		}
		h(w, r)
	})
}

// inReach refuses everything while the cluster cannot be reached.
func (g *Gateway) inReach(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.isCutOff() {
			g.answerRefusal(w, refuseCutOff)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	writeError(w, refuseNotFound.status, refuseNotFound.reason)
}

func (g *Gateway) getHealth(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyTimeout bounds all checks of one /readyz together.
const readyTimeout = 2 * time.Second

// getReady names each part that is not ready.
func (g *Gateway) getReady(w http.ResponseWriter, r *http.Request) {
	if g.isDraining() {
		writeError(w, http.StatusServiceUnavailable, refuseDraining.reason)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	failing := map[string]string{}
	var names []string
	for _, check := range g.checks {
		if err := check.Ready(ctx); err != nil {
			names = append(names, check.Name)
			failing[check.Name] = err.Error()
		}
	}
	if names == nil {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
		return
	}
	writeJSON(w, http.StatusServiceUnavailable, struct {
		Status  string            `json:"status"`
		Error   string            `json:"error"`
		Failing map[string]string `json:"failing"`
	}{"unavailable", "not ready: " + strings.Join(names, ", "), failing})
}

func writeError(w http.ResponseWriter, status int, reason string) {
	write(w, status, errorBody(reason))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, errorBody(refuseInternal.reason)
	}
	write(w, status, body)
}

func write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client that is gone does not need it
}
