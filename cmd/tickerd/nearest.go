package main

import (
	"errors"
	"fmt"
)

// nearest is the one of names that differs least from name, none if all differ a
// lot.
func nearest(name string, names []string) string {
	best, least := "", len(name)/3+2
	for _, candidate := range names {
		if d := distance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance counts the letters to insert, drop or change to make a into b
// (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // row[j] is the distance between what was read of a and b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// didYouMean is text as an error, with what may have been meant, if anything.
func didYouMean(text, meant string) error {
	if meant == "" {
		return errors.New(text)
	}
	return fmt.Errorf("%s, did you mean %s?", text, meant)
}
