package coinbase

import "encoding/json"

// scan finds the members in one pass without allocation, if msg is written as
// the exchange writes tickers and heartbeats: a flat object without white space,
// escapes or foreign characters, all names in lower case. Then it finds what
// unmarshal would; for any other text it returns false.
func scan(msg []byte) (m members, ok bool) {
	if len(msg) == 0 || msg[0] != '{' {
		return m, false
	}
	rest := msg[1:]
	for {
		name := cutString(rest)
		if name < 0 || name == len(rest) || rest[name] != ':' {
			return m, false
		}
		if !isLower(rest[1 : name-1]) { // unmarshal ignores case
			return m, false
		}
		member := m.named(rest[1 : name-1])
		rest = rest[name+1:]
		value := cutScalar(rest)
		if value < 0 || value == len(rest) {
			return m, false
		}
		if member != nil {
			*member = json.RawMessage(rest[:value:value])
		}
		end := rest[value]
		rest = rest[value+1:]
		switch end {
		case '}':
			return m, len(rest) == 0
		case ',':
		default:
			return m, false
		}
	}
}

// cutScalar returns the length of the JSON scalar that b begins with, -1 where
// there is none that is plain.
func cutScalar(b []byte) int {
	if len(b) == 0 {
		return -1
	}
	switch b[0] {
	case '"':
		return cutString(b)
	case 't':
		return cutWord(b, "true")
	case 'f':
		return cutWord(b, "false")
	case 'n':
		return cutWord(b, "null")
	}
	return cutNumber(b)
}

// cutString is cutScalar for a string, quotes included.
func cutString(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return -1
	}
	for i := 1; i < len(b); i++ {
		if b[i] == '"' {
			return i + 1
		}
		if !isPlainByte(b[i]) {
			return -1
		}
	}
	return -1
}

func cutWord(b []byte, word string) int {
	if len(b) < len(word) || string(b[:len(word)]) != word {
		return -1
	}
	return len(word)
}

// cutNumber is cutScalar for a number without sign or exponent (RFC 8259,
// section 6).
func cutNumber(b []byte) int {
	n := countDigits(b)
	if n == 0 || n > 1 && b[0] == '0' {
		return -1
	}
	if n == len(b) || b[n] != '.' {
		return n
	}
	fraction := countDigits(b[n+1:])
	if fraction == 0 {
		return -1
	}
	return n + 1 + fraction
}

func countDigits(b []byte) int {
	for i, c := range b {
		if c < '0' || '9' < c {
			return i
		}
	}
	return len(b)
}

// isPlain reports whether b stands for itself within a JSON string.
func isPlain(b []byte) bool {
	for _, c := range b {
		if !isPlainByte(c) {
			return false
		}
	}
	return true
}

func isPlainByte(c byte) bool { return ' ' <= c && c <= '~' && c != '"' && c != '\\' }

// isLower reports whether b is its own lower case, and no other name's.
func isLower(b []byte) bool {
	for _, c := range b {
		if 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}
