package main

import (
	"bytes"
	"fmt"
	"os"
)

// fill puts text between the marks of a name: <!-- name --> and <!-- /name -->, each
// on a line of its own.
func fill(document []byte, name, text string) ([]byte, error) {
	opening := fmt.Appendf(nil, "<!-- %s -->\n", name)
	closing := fmt.Appendf(nil, "<!-- /%s -->\n", name)
	before, rest, ok := bytes.Cut(document, opening)
	if !ok {
		return nil, fmt.Errorf("there is no %s", bytes.TrimSpace(opening))
	}
	_, after, ok := bytes.Cut(rest, closing)
	if !ok {
		return nil, fmt.Errorf("there is no %s behind %s", bytes.TrimSpace(closing), bytes.TrimSpace(opening))
	}
	return bytes.Join([][]byte{before, opening, []byte(text), closing, after}, nil), nil
}

// tabulate puts the tables of all experiments into a document.
func tabulate(document []byte, list []result) ([]byte, error) {
	for _, e := range experiments {
		text := ""
		if table := e.table(list); table != "" {
			text = table + "\n" + e.provenance(list)
		}
		var err error
		if document, err = fill(document, e.name, text); err != nil {
			return nil, err
		}
	}
	return document, nil
}

// tabulateFile is tabulate for a file.
func tabulateFile(path string, list []result) error {
	document, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	document, err = tabulate(document, list)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, document, 0o644)
}
