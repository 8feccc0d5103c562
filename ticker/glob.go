package ticker

import "strings"

// Match reports whether pattern stands for name. A star in name is a character
// that only a star matches, so that Match also tells whether one pattern covers
// another. Between two stars the first place that fits will do.
func Match(pattern, name string) bool {
	begin := 0
	for begin < len(pattern) && pattern[begin] != '*' {
		if begin == len(name) || pattern[begin] != name[begin] {
			return false
		}
		begin++
	}
	if begin == len(pattern) {
		return begin == len(name)
	}
	name, rest := name[begin:], pattern[begin+1:]
	for {
		piece, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, piece)
		}
		_, behind, found := strings.Cut(name, piece)
		if !found {
			return false
		}
		name, rest = behind, after
	}
}

// overlap reports whether some name matches both patterns. Two that have a star
// each do so unless their beginnings or their ends contradict each other:
// between those, a star of the one takes in all that the other spells.
func overlap(a, b string) bool {
	firstA, firstB := strings.IndexByte(a, '*'), strings.IndexByte(b, '*')
	if firstA < 0 {
		return Match(b, a)
	}
	if firstB < 0 {
		return Match(a, b)
	}
	begin := min(firstA, firstB)
	end := min(len(a)-strings.LastIndexByte(a, '*'), len(b)-strings.LastIndexByte(b, '*')) - 1
	return a[:begin] == b[:begin] && a[len(a)-end:] == b[len(b)-end:]
}
