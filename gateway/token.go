package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"

	"tickerd/auth"
	"tickerd/bus"
)

const (
	maxTokenRequest = 4 << 10 // bytes
	exchangeTimeout = 5 * time.Second
)

// tokenAnswer is what an API key is exchanged for.
type tokenAnswer struct {
	Token     string `json:"token"`
	UserID    string `json:"user_id"`
	Role      string `json:"role"`
	ExpiresIn int64  `json:"expires_in"` // seconds
}

// What can be wrong with a request for a token.
const (
	errTokenJSON     = Error("invalid JSON")
	errTokenKey      = Error("api_key required")
	errTokenTooLarge = Error("request body too large")
	errTokenInvalid  = Error("invalid API key")
	errTokenAttempts = Error("too many attempts")
	errTokenStore    = Error("database unavailable")
)

// postToken exchanges an API key for a token.
func (g *Gateway) postToken(w http.ResponseWriter, r *http.Request) {
	key, err := readKey(w, r)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errTokenTooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		writeError(w, status, err.Error())
		return
	}
	peer, err := net.ResolveTCPAddr("tcp", r.RemoteAddr)
	if err != nil {
		writeError(w, http.StatusInternalServerError, refuseInternal.reason)
		return
	}
	attempt, wait, ok := g.limiter.Begin(r.Context(), g.clientAddr(headOf(r), peerOf(peer)))
	if !ok {
		g.metrics.tokens.WithLabelValues("limited").Inc()
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		writeError(w, http.StatusTooManyRequests, errTokenAttempts.Error())
		return
	}
	defer attempt.Abandoned() // unless it turns out otherwise
	answer, err := g.exchange(r.Context(), key)
	switch {
	case err == nil:
		attempt.Succeeded()
		g.metrics.tokens.WithLabelValues("issued").Inc()
		writeJSON(w, http.StatusOK, answer)
	case errors.Is(err, errTokenInvalid):
		attempt.Failed()
		g.metrics.tokens.WithLabelValues("invalid").Inc()
		writeError(w, http.StatusUnauthorized, err.Error())
	case r.Context().Err() != nil: // the client has hung up
	case g.isCutOff() || g.borrows && isUnanswered(err):
		g.metrics.tokens.WithLabelValues("unreachable").Inc()
		g.answerRefusal(w, refuseCutOff)
	default:
		g.metrics.tokens.WithLabelValues("error").Inc()
		g.log.Error("exchange API key", "err", err)
		writeError(w, http.StatusInternalServerError, errTokenStore.Error())
	}
}

// isUnanswered reports whether a request on the bus failed because nobody answered it.
func isUnanswered(err error) bool {
	return errors.Is(err, bus.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded)
}

// readKey reads {"api_key":"…"}.
func readKey(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.ContentLength > maxTokenRequest {
		return "", errTokenTooLarge // without waiting for it
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxTokenRequest))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return "", errTokenTooLarge
	}
	if err != nil {
		return "", errTokenJSON
	}
	// A map, because the names of fields are matched exactly.
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return "", errTokenJSON
	}
	raw, there := fields["api_key"]
	if !there {
		return "", errTokenKey
	}
	var key string
	if err := json.Unmarshal(raw, &key); err != nil || bytes.Equal(raw, []byte("null")) {
		return "", errTokenJSON
	}
	if key == "" {
		return "", errTokenKey
	}
	return key, nil
}

// exchange asks on the bus who holds the key, and signs a token for him. The key
// itself stays here.
func (g *Gateway) exchange(ctx context.Context, key string) (tokenAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	var who bus.ExchangeResult
	if err := g.bus.RequestNear(ctx, bus.Exchange, bus.ExchangeRequest{KeyHash: auth.Key(key).Hash()}, &who); err != nil {
		return tokenAnswer{}, err
	}
	switch who.Error {
	case "":
	case bus.ExchangeInvalid:
		return tokenAnswer{}, errTokenInvalid
	default:
		return tokenAnswer{}, errTokenStore
	}
	raw, token, err := g.verifier.Sign(who)
	if errors.Is(err, auth.ErrKeyInvalid) {
		return tokenAnswer{}, errTokenInvalid
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	return tokenAnswer{
		Token:     raw,
		UserID:    token.UserID,
		Role:      token.Role,
		ExpiresIn: int64(math.Ceil(time.Until(time.Unix(token.ExpiresAt, 0)).Seconds())),
	}, nil
}
