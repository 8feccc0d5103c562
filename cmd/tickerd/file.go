package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// defaultFile is read when no file is named, if it is there.
const defaultFile = "config.toml"

// readFile takes what the file at path sets. Its error is a file that cannot be
// read at all; what is wrong within it goes to the faults.
func (r *reader) readFile(path string) error {
	named := path != ""
	if !named {
		path = defaultFile
	}
	data, err := os.ReadFile(path)
	if !named && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	r.readTOML(path, data)
	return nil
}

// readTOML takes what data, the content of file, sets.
func (r *reader) readTOML(file string, data []byte) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // with which some editors begin a file
	doc := locate(file, data)
	var values map[string]any
	if err := toml.Unmarshal(data, &values); err != nil {
		line := 0
		if fault, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, _ = fault.Position()
		}
		text := strings.TrimPrefix(err.Error(), "toml: ")
		r.refuse(doc.keyAt(line, data), origin{file: file, line: line}, errors.New(text))
		return
	}
	r.setTable(doc, "", r.root(), values)
}

// setTable puts values into the table of the name key, in any order: the faults
// are sorted at the end.
func (r *reader) setTable(doc *document, key string, table reflect.Value, values map[string]any) {
	known := maps.Collect(fields(table))
	for name, x := range values {
		key := join(key, name)
		if value, ok := known[name]; ok {
			r.setValue(doc, key, value, x)
		} else {
			r.refuse(key, doc.origin(key), r.unknown(name, x, table))
		}
	}
}

func (r *reader) setValue(doc *document, key string, value reflect.Value, x any) {
	t := value.Type()
	values, isValues := x.(map[string]any)
	list, isList := x.([]any)
	switch {
	case isTable(t) && isValues:
		r.setTable(doc, key, value, values)
	case isTableList(t) && isList:
		tables := reflect.MakeSlice(t, len(list), len(list)) // it replaces the default, all of it
		for i, x := range list {
			r.setValue(doc, element(key, i), tables.Index(i), x)
		}
		value.Set(tables)
		r.origins[key] = doc.origin(key)
	default:
		if err := assign(value, x); err != nil {
			r.refuse(key, doc.origin(key), err)
		}
		r.origins[key] = doc.origin(key)
	}
}

// unknown refuses a name that table does not have, with the one that may be meant:
// a similar one of the table, or the same one of another.
func (r *reader) unknown(name string, x any, table reflect.Value) error {
	what := "key"
	if _, ok := x.(map[string]any); ok {
		what = "table"
	}
	var here, elsewhere []string
	for other := range fields(table) {
		here = append(here, other)
	}
	for key := range keys(r.root()) {
		switch {
		case key == name:
			elsewhere = append(elsewhere, name+" before the first table")
		case strings.HasSuffix(key, "."+name):
			elsewhere = append(elsewhere, key)
		}
	}
	meant := nearest(name, here)
	if meant == "" {
		meant = strings.Join(elsewhere, " or ")
	}
	return didYouMean("unknown "+what, meant)
}
