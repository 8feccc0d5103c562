package main

import (
	"bytes"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A document is a TOML file and where its keys stand.
type document struct {
	file    string
	lines   map[string]int // of each key, where it stands first
	lengths map[string]int // of each list of tables, so far
	stands  []standing     // everything as it comes, repeated keys too
	table   string         // the last table that was begun
}

type standing struct {
	key  string
	line int
}

// locate finds the line of every key in data, as far as it is TOML.
func locate(file string, data []byte) *document {
	d := &document{file: file, lines: map[string]int{}, lengths: map[string]int{}}
	p := &unstable.Parser{}
	p.Reset(data)
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table:
			d.table, _ = d.add(p, "", e.Key())
		case unstable.ArrayTable:
			list, line := d.add(p, "", e.Key())
			d.table = element(list, d.lengths[list])
			d.lengths[list]++
			d.addKey(d.table, line)
		case unstable.KeyValue:
			d.addValue(p, d.table, e)
		}
	}
	return d
}

// addValue adds the key of a key-value pair, and the keys within its value.
func (d *document) addValue(p *unstable.Parser, table string, pair *unstable.Node) {
	key, _ := d.add(p, table, pair.Key())
	d.addWithin(p, key, pair.Value())
}

// addWithin adds what tables there are within the value of key.
func (d *document) addWithin(p *unstable.Parser, key string, value *unstable.Node) {
	parts := value.Children()
	switch value.Kind {
	case unstable.InlineTable:
		for parts.Next() {
			d.addValue(p, key, parts.Node())
		}
	case unstable.Array:
		for i := 0; parts.Next(); i++ {
			if part := parts.Node(); part.Kind == unstable.InlineTable {
				d.addKey(element(key, i), p.Shape(part.Raw).Start.Line)
				d.addWithin(p, element(key, i), part)
			}
		}
	}
}

// add adds a dotted key below table, and gives its whole name and line. A list of
// tables on the way stands for its last table, as in TOML.
func (d *document) add(p *unstable.Parser, table string, dotted unstable.Iterator) (key string, line int) {
	key = table
	for dotted.Next() {
		if n := d.lengths[key]; n > 0 {
			key = element(key, n-1)
		}
		part := dotted.Node()
		key, line = join(key, string(part.Data)), p.Shape(part.Raw).Start.Line
		d.addKey(key, line)
	}
	return key, line
}

func (d *document) addKey(key string, line int) {
	if _, again := d.lines[key]; !again {
		d.lines[key] = line
	}
	d.stands = append(d.stands, standing{key, line})
}

func (d *document) origin(key string) origin {
	return origin{file: d.file, line: innermost(d.lines, key)}
}

// keyAt is the key that stands in a line of data, or that seems to be meant there
// if the line is not TOML; empty if there is none.
func (d *document) keyAt(line int, data []byte) string {
	for _, s := range slices.Backward(d.stands) {
		if s.line == line {
			return s.key
		}
	}
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return ""
	}
	name, _, ok := strings.Cut(string(lines[line-1]), "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" || strings.ContainsFunc(name, notBare) {
		return ""
	}
	return join(d.table, name)
}

// notBare reports whether r needs quotes in a key.
func notBare(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' || r == '.')
}
