package ticker

import "strings"

// Match reports whether pattern stands for name. A star in name is a character
// that only a star matches, so that Match also tells whether one pattern covers
// another. It backtracks to the last star only, which is enough and keeps it
// linear in practice and quadratic at worst.
func Match(pattern, name string) bool {
	i, j := 0, 0
	star, resume := -1, 0
	for j < len(name) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, resume = i, j
			i++
		case i < len(pattern) && pattern[i] == name[j]:
			i++
			j++
		case star >= 0:
			resume++
			i, j = star+1, resume
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '*' {
		i++
	}
	return i == len(pattern)
}

// overlap reports whether some name matches both patterns. Two that have a star
// each do so unless their beginnings or their ends contradict each other:
// between those, a star of the one takes in all that the other spells.
func overlap(a, b string) bool {
	firstA, firstB := strings.IndexByte(a, '*'), strings.IndexByte(b, '*')
	if firstA < 0 || firstB < 0 {
		return Match(a, b) || Match(b, a)
	}
	begin := min(firstA, firstB)
	end := min(len(a)-strings.LastIndexByte(a, '*'), len(b)-strings.LastIndexByte(b, '*')) - 1
	return a[:begin] == b[:begin] && a[len(a)-end:] == b[len(b)-end:]
}
