package wire

// Each function of this file returns the length of what b begins with, -1 where it
// begins with no such thing that is plain.

// maxDepth is of arrays and objects within each other, in a value.
const maxDepth = 8

func cutValue(b []byte, depth int) int {
	if len(b) == 0 {
		return -1
	}
	switch b[0] {
	case '"':
		return cutString(b)
	case '{':
		return cutList(b, '}', depth)
	case '[':
		return cutList(b, ']', depth)
	case 't':
		return cutWord(b, "true")
	case 'f':
		return cutWord(b, "false")
	case 'n':
		return cutWord(b, "null")
	}
	return cutNumber(b)
}

// cutList is of an object or an array, which last ends.
func cutList(b []byte, last byte, depth int) int {
	if depth == 0 {
		return -1
	}
	if len(b) > 1 && b[1] == last {
		return 2
	}
	for i := 1; ; i++ { // behind the bracket, or a comma
		if last == '}' {
			n := cutName(b[i:])
			if n < 0 {
				return -1
			}
			i += n
		}
		n := cutValue(b[i:], depth-1)
		if n < 0 || i+n == len(b) {
			return -1
		}
		i += n
		switch b[i] {
		case last:
			return i + 1
		case ',':
		default:
			return -1
		}
	}
}

// cutName is of a member's name, with its quotes and its colon.
func cutName(b []byte) int {
	n := cutString(b)
	if n < 0 || n == len(b) || b[n] != ':' {
		return -1
	}
	return n + 1
}

// cutString is of a string with its quotes.
func cutString(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return -1
	}
	for i, c := range b[1:] {
		if !isPlainByte(c) {
			if c != '"' {
				return -1
			}
			return i + 2
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

// cutNumber is of a number as RFC 8259, section 6, has it.
func cutNumber(b []byte) int {
	n := 0
	if len(b) > 0 && b[0] == '-' {
		n++
	}
	whole := countDigits(b[n:])
	if whole == 0 || whole > 1 && b[n] == '0' {
		return -1
	}
	n += whole
	if n < len(b) && b[n] == '.' {
		fraction := countDigits(b[n+1:])
		if fraction == 0 {
			return -1
		}
		n += 1 + fraction
	}
	if n == len(b) || b[n] != 'e' && b[n] != 'E' {
		return n
	}
	n++
	if n < len(b) && (b[n] == '+' || b[n] == '-') {
		n++
	}
	exponent := countDigits(b[n:])
	if exponent == 0 {
		return -1
	}
	return n + exponent
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

func isPlainByte(c byte) bool { return plainBytes[c] }

// plainBytes are those of printable ASCII but for the quote and the backslash.
var plainBytes = func() (plain [256]bool) {
	for c := ' '; c <= '~'; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()
