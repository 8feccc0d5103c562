package frame

import "strings"

// NegotiateDeflate takes the value of a request's Sec-WebSocket-Extensions header,
// its lines joined by ", ", and returns that of the response if messages may be
// compressed: the answer to the first offer of permessage-deflate (RFC 7692) that
// can be met.
//
// Each message is compressed by itself, in both directions, so that nothing has to
// be kept for a connection; the client is told so, whether it offered that or not.
// Windows are of the full 32 KiB: an offer that wants the server's smaller cannot
// be met, for what is sent is shared by all. One with an unknown parameter, or one
// that is malformed or stands there twice, is passed over, as the RFC demands.
func NegotiateDeflate(offers string) (response string, ok bool) {
	for more := true; more; {
		var offer string
		offer, offers, more = cutUnquoted(offers, ',')
		if response, ok := answerOffer(offer); ok {
			return response, true
		}
	}
	return "", false
}

const deflateResponse = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// answerOffer answers one offer: permessage-deflate; client_max_window_bits=12
func answerOffer(offer string) (response string, ok bool) {
	name, params, more := cutUnquoted(offer, ';')
	if trimSpace(name) != "permessage-deflate" {
		return "", false
	}
	response = deflateResponse
	seen := map[string]bool{}
	for more {
		var param string
		param, params, more = cutUnquoted(params, ';')
		name, value, hasValue := strings.Cut(param, "=")
		name, value = trimSpace(name), unquote(trimSpace(value))
		if seen[name] || !meets(name, value, hasValue) {
			return "", false
		}
		if name == "server_max_window_bits" {
			response += "; server_max_window_bits=15" // who asks for it must be answered
		}
		seen[name] = true
	}
	return response, true
}

// meets reports whether a parameter of an offer is well-formed and can be met.
func meets(name, value string, hasValue bool) bool {
	switch name {
	case "server_no_context_takeover", "client_no_context_takeover":
		return !hasValue
	case "server_max_window_bits":
		return value == "15"
	case "client_max_window_bits": // the client's own window may be any
		return !hasValue || isWindowBits(value)
	}
	return false
}

// isWindowBits reports whether value is a number from 8 to 15, as it must be spelled.
func isWindowBits(value string) bool {
	switch value {
	case "8", "9", "10", "11", "12", "13", "14", "15":
		return true
	}
	return false
}

// cutUnquoted is strings.Cut at the first sep outside of a quoted string.
func cutUnquoted(s string, sep byte) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// unquote takes the quotes off. A value that needs a backslash is none that counts
// here.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

func trimSpace(s string) string { return strings.Trim(s, " \t") }
