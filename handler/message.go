package handler

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"tickerd/ticker"
)

// What a client may send: the values of "type".
const (
	typePing        = "ping"
	typeSubscribe   = "subscribe"
	typeUnsubscribe = "unsubscribe"
	typeRefresh     = "refresh"
)

// What can be wrong with it: the values of "code". There is one more, that of a
// gateway which did not read the message: "rate_limited".
const (
	codeBadJSON     = "bad_json"
	codeUnknownType = "unknown_type"
	codeBadSymbol   = "bad_symbol"
	codeBadInterval = "bad_interval"
	codeForbidden   = "forbidden"
	codeBadToken    = "bad_token"
)

// maxIntervalMS bounds a connection's interval: a minute.
const maxIntervalMS = 60_000

// A fault is why a message is refused: one of the codes, and words for the
// person who reads the client's log.
type fault struct{ code, message string }

func faultf(code, format string, args ...any) *fault {
	return &fault{code, fmt.Sprintf(format, args...)}
}

// A message is one of a client's. Its fields are as they came, nil where they did
// not; those that its type does not use are not looked at.
type message struct {
	kind     string          // "type", empty where that is no string
	id       json.RawMessage // a JSON string or number
	symbols  json.RawMessage
	interval json.RawMessage
	token    json.RawMessage
}

// parseMessage takes a JSON object apart. It goes by way of a map because the
// names of fields are exact: a struct would take "TYPE" for "type".
func parseMessage(data []byte) (message, *fault) {
	if !utf8.Valid(data) {
		return message{}, faultf(codeBadJSON, "not UTF-8")
	}
	var fields map[string]json.RawMessage
	err := json.Unmarshal(data, &fields)
	if _, other := errors.AsType[*json.UnmarshalTypeError](err); other || err == nil && fields == nil {
		return message{}, faultf(codeBadJSON, "not a JSON object")
	}
	if err != nil {
		return message{}, faultf(codeBadJSON, "not JSON: %v", err)
	}
	m := message{
		id:       fields["id"],
		symbols:  fields["symbols"],
		interval: fields["interval_ms"],
		token:    fields["token"],
	}
	if m.id != nil && !isString(m.id) && !isNumber(m.id) {
		return message{}, faultf(codeBadJSON, "id is neither a string nor a number")
	}
	m.kind, _ = text(fields["type"])
	return m, nil
}

func isString(v json.RawMessage) bool { return v[0] == '"' }
func isNumber(v json.RawMessage) bool { return v[0] == '-' || '0' <= v[0] && v[0] <= '9' }

// text reads v as a string.
func text(v json.RawMessage) (s string, ok bool) {
	if v == nil || !isString(v) {
		return "", false
	}
	return s, json.Unmarshal(v, &s) == nil
}

// patterns are the message's symbols, well-formed, in upper case, and no more than
// a connection may hold. They are an empty list where it has none.
func (m message) patterns() ([]string, *fault) {
	if m.symbols == nil {
		return []string{}, nil
	}
	var list []string
	if m.symbols[0] != '[' || json.Unmarshal(m.symbols, &list) != nil {
		return nil, faultf(codeBadSymbol, "symbols is not an array of strings")
	}
	return parsePatterns(list)
}

// parsePatterns reads symbols and patterns, all of them or none.
func parsePatterns(list []string) ([]string, *fault) {
	patterns, err := ticker.ParsePatterns(list)
	if err == nil {
		err = ticker.Rules(patterns).Check()
	}
	if err != nil {
		return nil, &fault{codeBadSymbol, err.Error()}
	}
	return patterns, nil
}

// intervalMS is the message's interval, nil where it has none.
func (m message) intervalMS() (*int64, *fault) {
	if m.interval == nil {
		return nil, nil
	}
	var ms int64
	if !isNumber(m.interval) || json.Unmarshal(m.interval, &ms) != nil || !isInterval(ms) {
		return nil, badInterval()
	}
	return &ms, nil
}

func isInterval(ms int64) bool { return 0 <= ms && ms <= maxIntervalMS }

func badInterval() *fault {
	return faultf(codeBadInterval, "interval_ms is not an integer from 0 to %d", maxIntervalMS)
}
