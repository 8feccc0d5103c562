package main

import "math"

// A column of an experiment's table.
type column struct {
	head string
	cell func(r row, all rows) string
}

// Columns that several tables have.
var (
	server = column{"server", func(r row, _ rows) string { return r.server }}

	whichServer = []column{
		{"clients", func(r row, _ rows) string { return grouped(float64(r.load.Conns)) }},
		server,
	}
	delivery = []column{
		median("messages a second", messagesPerSecond, grouped),
		median("received", received, percent),
		median("worst client", worstShare, percent),
	}
	delays = []column{
		median("p50", p50, milliseconds),
		median("p99", p99, milliseconds),
		spread("lowest to highest", p99, milliseconds),
	}
)

// median is a column with the middle of all rounds.
func median(head string, of metric, in unit) column {
	return column{head, func(r row, _ rows) string { return in.of(r.values(of).median()) }}
}

// spread is a column with the best and the worst of all rounds.
func spread(head string, of metric, in unit) column {
	return column{head, func(r row, _ rows) string {
		all := r.values(of)
		if len(all) < 2 {
			return none
		}
		return in.of(all[0]) + " to " + in.of(all[len(all)-1])
	}}
}

// ratio is a column that divides a row's median by that of another row.
func ratio(head string, of metric, base func(row, rows) (row, bool)) column {
	return column{head, func(r row, all rows) string {
		b, ok := base(r, all)
		if !ok {
			return none
		}
		return unit(times).of(r.values(of).median() / b.values(of).median())
	}}
}

// sameLoad is the row of another server under the same load.
func sameLoad(server string) func(row, rows) (row, bool) {
	return func(r row, all rows) (row, bool) { return all.find(r, r.load, server) }
}

// sameServer is the row of the same server under another load.
func sameServer(l load) func(row, rows) (row, bool) {
	return func(r row, all rows) (row, bool) { return all.find(r, l, r.server) }
}

// A unit writes a number for people.
type unit func(float64) string

// none stands where there is no figure.
const none = "–"

func (u unit) of(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return none
	}
	return u(v)
}
