package main

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The colours: what is measured stands out from what it is measured against.
var (
	ink    = color.Gray{0x33}
	faint  = color.Gray{0xe4}
	limit  = color.RGBA{0xc4, 0x3c, 0x2c, 0xff}
	shades = map[string]color.Color{
		serverTickerd: color.RGBA{0x1f, 0x6f, 0xc4, 0xff},
		serverLog:     color.Gray{0x8c},
		serverBare:    color.Gray{0xbc},
	}
)

// names are what the servers are called in pictures.
var names = map[string]string{serverTickerd: "tickerd", serverLog: "log floor", serverBare: "bare floor"}

const (
	titleSize = 9 * vg.Length(1)
	textSize  = 8 * vg.Length(1)
	margin    = 4 * vg.Length(1)
)

func sans(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

// newPlot gives a plot in the style of all.
func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font, p.Title.TextStyle.Color = sans(titleSize), ink
	p.Title.TextStyle.XAlign = draw.XCenter
	p.Title.Padding = 6
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font, a.Label.TextStyle.Color = sans(textSize), ink
		a.Tick.Label.Font, a.Tick.Label.Color = sans(textSize), ink
		a.LineStyle.Color, a.LineStyle.Width = ink, 0.5
		a.Tick.LineStyle.Color, a.Tick.LineStyle.Width = ink, 0.5
		a.Tick.Length, a.Padding = 3, 0
	}
	p.Legend.TextStyle.Font, p.Legend.TextStyle.Color = sans(textSize), ink
	p.Legend.ThumbnailWidth = 18
	p.Legend.Padding = 2
	return p
}
