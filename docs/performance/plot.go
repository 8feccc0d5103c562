package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// plotCommand draws the pictures, and fills the tables.
func plotCommand(args []string) error {
	flags := flag.NewFlagSet("plot", flag.ContinueOnError)
	results := flags.String("results", resultsPath, "the `file` of results")
	document := flags.String("document", documentPath, "the `file` whose tables are filled; none if empty")
	pictures := flags.String("pictures", picturesPath, "the `directory` for the pictures")
	if err := flags.Parse(args); err != nil {
		return err
	}
	list, err := readResults(*results)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("%s has no results: measure first", *results)
	}
	if *document != "" {
		if err := tabulateFile(*document, list); err != nil {
			return err
		}
	}
	return errors.Join(
		picture{15 * vg.Centimeter, 13 * vg.Centimeter, curve}.save(filepath.Join(*pictures, "curve.svg"), list),
		picture{15 * vg.Centimeter, 4.6 * vg.Centimeter, bars}.save(filepath.Join(*pictures, "p99.svg"), list),
	)
}

// A picture draws results.
type picture struct {
	width, height vg.Length
	draw          func(c draw.Canvas, list []result) error
}

// errNothing is a picture of what was not measured.
var errNothing = errors.New("there are no results for it")

// save writes the picture as SVG; it is left as it was if there is nothing to draw.
func (p picture) save(path string, list []result) error {
	canvas := vgsvg.New(p.width, p.height)
	err := p.draw(draw.New(canvas), list)
	if errors.Is(err, errNothing) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return err
	}
	// Of the same widths, where the first is not installed.
	text := bytes.ReplaceAll(svg.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	return os.WriteFile(path, text, 0o644)
}
