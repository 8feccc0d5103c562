package ticker

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

// overlap reports whether some name matches both patterns.
func overlap(a, b string) bool {
	// row[j] says whether a[i:] and b[j:] overlap; it is filled from the end.
	row := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		diagonal := false // row[j+1] of the line before
		for j := len(b); j >= 0; j-- {
			below := row[j] // the same column of the line before
			switch {
			case i == len(a) && j == len(b):
				row[j] = true
			case j < len(b) && b[j] == '*':
				row[j] = row[j+1] || i < len(a) && below
			case i < len(a) && a[i] == '*':
				row[j] = below || j < len(b) && row[j+1]
			case i < len(a) && j < len(b) && a[i] == b[j]:
				row[j] = diagonal
			default:
				row[j] = false
			}
			diagonal = below
		}
	}
	return row[0]
}
