package handler

import (
	"encoding/json"

	"tickerd/bus"
	"tickerd/ticker"
)

// What a client is sent: the values of "type". A gateway sends "ticker", "status"
// and "drain".
const (
	typeWelcome      = "welcome"
	typePong         = "pong"
	typeSubscribed   = "subscribed"
	typeUnsubscribed = "unsubscribed"
	typeRefreshed    = "refreshed"
	typeError        = "error"
)

type welcome struct {
	Type       string       `json:"type"`
	UserID     string       `json:"user_id"`
	ConnID     string       `json:"conn_id"`
	Symbols    ticker.Rules `json:"symbols"`
	IntervalMS int64        `json:"interval_ms"`
	ExpiresIn  int64        `json:"expires_in"` // seconds
	Resumed    *bool        `json:"resumed,omitempty"`
}

type pong struct {
	Type string          `json:"type"`
	ID   json.RawMessage `json:"id,omitempty"`
	TS   int64           `json:"ts"` // unix microseconds
}

type subscribed struct {
	Type       string          `json:"type"`
	ID         json.RawMessage `json:"id,omitempty"`
	Symbols    ticker.Rules    `json:"symbols"`
	IntervalMS int64           `json:"interval_ms"`
}

type unsubscribed struct {
	Type    string          `json:"type"`
	ID      json.RawMessage `json:"id,omitempty"`
	Symbols ticker.Rules    `json:"symbols"`
}

type refreshed struct {
	Type      string          `json:"type"`
	ID        json.RawMessage `json:"id,omitempty"`
	ExpiresIn int64           `json:"expires_in"` // seconds
}

type refusal struct {
	Type    string          `json:"type"`
	Code    string          `json:"code"`
	Message string          `json:"message"`
	ID      json.RawMessage `json:"id,omitempty"`
}

// An answer is a bus.Answer whose payload, one of the above, is not yet encoded.
type answer struct {
	Payload any `json:"payload,omitempty"`
	bus.Answer
}

// refuse answers a message that is not carried out.
func (h *Handler) refuse(f *fault, id json.RawMessage) answer {
	h.metrics.refused.WithLabelValues(f.code).Inc()
	return answer{Payload: refusal{typeError, f.code, f.message, id}}
}

// The close codes that a handler asks for; the gateway knows all there are.
const (
	closeInternal  = 1011
	closeForbidden = 4501 // policy does not allow it: do not reconnect
)

func closing(code int, reason string) answer {
	return answer{Answer: bus.Answer{Close: &bus.Close{Code: code, Reason: reason}}}
}
