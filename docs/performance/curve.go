package main

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A human eye takes what comes within 100 ms as at once.
const atOnce = 100 // ms

// curve draws delay, and what arrived, against the number of clients.
func curve(c draw.Canvas, list []result) error {
	all := rowsNamed("curve", list)
	if len(all) == 0 {
		return errNothing
	}
	delay, err := delayPlot(all)
	if err != nil {
		return err
	}
	share, err := sharePlot(all)
	if err != nil {
		return err
	}
	c = draw.Crop(c, margin, -margin, margin, -margin)
	top := draw.Crop(c, 0, 0, c.Max.Y*0.36, 0)
	bottom := draw.Crop(c, 0, 0, 0, -c.Max.Y*0.67)
	left := max(delay.DataCanvas(top).Min.X, share.DataCanvas(bottom).Min.X) // one axis below the other
	delay.Draw(draw.Crop(top, left-delay.DataCanvas(top).Min.X, 0, 0, 0))
	share.Draw(draw.Crop(bottom, left-share.DataCanvas(bottom).Min.X, 0, 0, 0))
	return nil
}

// rowsNamed gives the rows of an experiment.
func rowsNamed(name string, list []result) rows {
	chosen, err := choose(name)
	if err != nil {
		return nil
	}
	return rowsOf(chosen[0], list)
}

// delayPlot is how late ticks arrive.
func delayPlot(all rows) (*plot.Plot, error) {
	p := newPlot("Delay of a tick, in milliseconds")
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.TickerFunc(decades)
	p.Y.Min, p.Y.Max = 1, 2000
	grid(p)
	line := plotter.NewFunction(func(float64) float64 { return atOnce })
	line.LineStyle = draw.LineStyle{Color: limit, Width: 0.75, Dashes: []vg.Length{4, 3}}
	p.Add(line)
	var lines []*plotter.Line
	for _, server := range []string{serverTickerd, serverLog} {
		for _, s := range []struct {
			name  string
			of    metric
			style draw.LineStyle
		}{
			{"p99", p99, draw.LineStyle{Width: 1.75}},
			{"half of all", p50, draw.LineStyle{Width: 1, Dashes: []vg.Length{1.5, 1.5}}},
		} {
			s.style.Color = shades[server]
			line, err := series(all, server, s.of, s.style)
			if err != nil {
				return nil, err
			}
			lines = append(lines, line)
			p.Legend.Add(names[server]+", "+s.name, line)
		}
	}
	p.Legend.Add("100 ms", line)
	addBackward(p, lines)
	p.Legend.XOffs, p.Legend.YOffs = -12, 6
	axis(p, all)
	return p, nil
}

// sharePlot is how much arrives at all.
func sharePlot(all rows) (*plot.Plot, error) {
	p := newPlot("Ticks that arrived, of 100 a second for each client")
	p.Y.Min, p.Y.Max = 0, 1.02
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0 %"}, {Value: 0.5, Label: "50 %"}, {Value: 1, Label: "100 %"}}
	p.X.Label.Text = "clients, on the two cores that they share with the server"
	grid(p)
	var lines []*plotter.Line
	for _, server := range []string{serverTickerd, serverLog} {
		line, err := series(all, server, arrived, draw.LineStyle{Width: 1.75, Color: shades[server]})
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
		p.Legend.Add(names[server], line)
	}
	addBackward(p, lines)
	p.Legend.XOffs, p.Legend.YOffs = -12, 6
	axis(p, all)
	return p, nil
}

// addBackward draws the first of some lines on top.
func addBackward(p *plot.Plot, lines []*plotter.Line) {
	for _, line := range slices.Backward(lines) {
		p.Add(line)
	}
}

// arrived is the share of what a publisher that is never late would have had
// arrive.
func arrived(r result) float64 {
	return min(messagesPerSecond(r)/(100*float64(r.Load.Conns)), 1)
}

// series is the line of one server.
func series(all rows, server string, of metric, style draw.LineStyle) (*plotter.Line, error) {
	var points plotter.XYs
	for _, r := range all {
		if y := r.values(of).median(); r.server == server && !math.IsNaN(y) {
			points = append(points, plotter.XY{X: float64(r.load.Conns), Y: y})
		}
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	line.LineStyle = style
	return line, nil
}

// labelWidth is how many clients apart two labels must be.
const labelWidth = 1500

// axis marks where there are measurements.
func axis(p *plot.Plot, all rows) {
	var ticks plot.ConstantTicks
	labelled := math.Inf(-1)
	for _, r := range all {
		t := plot.Tick{Value: float64(r.load.Conns)}
		if t.Value-labelled >= labelWidth {
			t.Label, labelled = grouped(t.Value), t.Value
		}
		ticks = append(ticks, t)
	}
	p.X.Min, p.X.Max = 0, mostConns
	p.X.Tick.Marker = ticks
}

// grid is lines to read heights by.
func grid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Vertical.Width = 0
	g.Horizontal = draw.LineStyle{Color: faint, Width: 0.5}
	p.Add(g)
}

// decades marks 1, 10, 100 and so on, and between them what a logarithmic axis is
// known by.
func decades(low, high float64) (ticks []plot.Tick) {
	for decade := 1.0; decade <= high; decade *= 10 {
		for digit := 1.0; digit < 10; digit++ {
			v := decade * digit
			switch {
			case v < low || v > high:
			case digit == 1:
				ticks = append(ticks, plot.Tick{Value: v, Label: grouped(v)})
			default:
				ticks = append(ticks, plot.Tick{Value: v})
			}
		}
	}
	return ticks
}
