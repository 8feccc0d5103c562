package main

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// bars draws the p99 of each server beside those of the floors, with a scale for
// each number of clients: it is the ratios that are to be seen.
func bars(c draw.Canvas, list []result) error {
	all := rowsNamed("ticks", list)
	if len(all) == 0 {
		return errNothing
	}
	var counts []int
	for _, r := range all {
		if !slices.Contains(counts, r.load.Conns) {
			counts = append(counts, r.load.Conns)
		}
	}
	const labels = 46 // for those on the left of the first
	width := (c.Max.X - labels) / vg.Length(len(counts))
	for i, n := range counts {
		p, err := barPlot(all, n, i == 0)
		if err != nil {
			return err
		}
		left := labels + width*vg.Length(i)
		panel := draw.Crop(c, left, left+width-c.Max.X-margin, margin, -margin)
		p.Draw(draw.Crop(panel, panel.Min.X-p.DataCanvas(panel).Min.X, 0, 0, 0)) // the bars begin at left
	}
	return nil
}

// barPlot is the bars for one number of clients.
func barPlot(all rows, conns int, named bool) (*plot.Plot, error) {
	p := newPlot(grouped(float64(conns)) + " clients")
	p.HideX()
	order := []string{serverBare, serverLog, serverTickerd} // from below
	highest := 0.0
	for i, server := range order {
		r := rows(nil)
		for _, one := range all {
			if one.load.Conns == conns && one.server == server {
				r = append(r, one)
			}
		}
		if len(r) == 0 {
			continue
		}
		v := r[0].values(p99).median()
		if math.IsNaN(v) {
			continue
		}
		highest = max(highest, v)
		bar, err := plotter.NewBarChart(plotter.Values{v}, 14)
		if err != nil {
			return nil, err
		}
		bar.Horizontal, bar.XMin, bar.LineStyle.Width, bar.Color = true, float64(i), 0, shades[server]
		value, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: v, Y: float64(i)}}, Labels: []string{milliseconds(v)}})
		if err != nil {
			return nil, err
		}
		value.TextStyle[0] = draw.TextStyle{Color: ink, Font: sans(textSize), YAlign: draw.YCenter, Handler: text.Plain{Fonts: p.Title.TextStyle.Handler.Cache()}}
		value.Offset = vg.Point{X: 4, Y: 1}
		p.Add(bar, value)
	}
	var ticks plot.ConstantTicks
	for i, server := range order {
		if t := (plot.Tick{Value: float64(i)}); named {
			t.Label = names[server]
			ticks = append(ticks, t)
		}
	}
	p.Y.Tick.Marker, p.Y.Tick.LineStyle.Width = ticks, 0
	p.Y.Min, p.Y.Max = -0.6, float64(len(order))-0.4
	p.X.Min, p.X.Max = 0, highest*1.5 // room for the figures
	return p, nil
}
