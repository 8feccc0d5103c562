package main

import (
	"fmt"
	"strings"
)

// A row is the rounds of one server under one load.
type row struct {
	load    load
	server  string
	results []result
}

func (r row) values(of metric) values { return valuesOf(r.results, of) }

// rows are those of an experiment that were measured.
type rows []row

// rowsOf gives the rows of an experiment, in its order.
func rowsOf(e experiment, list []result) (all rows) {
	for _, l := range e.loads {
		for _, s := range e.servers {
			r := row{load: l, server: s}
			for _, one := range list {
				if one.Experiment == e.name && one.Load == l && one.Server == s {
					r.results = append(r.results, one)
				}
			}
			if len(r.results) > 0 {
				all = append(all, r)
			}
		}
	}
	return all
}

// find gives the row of a server under a load, unless that is r itself.
func (all rows) find(r row, l load, server string) (row, bool) {
	for _, other := range all {
		if other.load == l && other.server == server {
			return other, r.load != l || r.server != server
		}
	}
	return row{}, false
}

// table writes an experiment's results as Markdown; empty, where there are none.
func (e experiment) table(list []result) string {
	all := rowsOf(e, list)
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	for _, c := range e.columns {
		fmt.Fprintf(&b, "| %s ", c.head)
	}
	b.WriteString("|\n" + strings.Repeat("|---", len(e.columns)) + "|\n")
	for _, r := range all {
		for _, c := range e.columns {
			fmt.Fprintf(&b, "| %s ", c.cell(r, all))
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// provenance says where and when an experiment's results were measured.
func (e experiment) provenance(list []result) string {
	var first, last result
	most := 0
	machines := map[string]bool{}
	for _, r := range list {
		if r.Experiment != e.name {
			continue
		}
		if most == 0 {
			first = r
		}
		last = r
		most = max(most, r.Round)
		machines[r.Machine] = true
	}
	if most == 0 {
		return ""
	}
	where := last.Machine
	if len(machines) > 1 {
		where = "several machines"
	}
	revision := ""
	if last.Revision != "" {
		revision = ", revision " + last.Revision
	}
	return fmt.Sprintf("%s, %s%s. Median of %d.\n", first.Date.UTC().Format("2006-01-02"), where, revision, most)
}
