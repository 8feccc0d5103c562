package main

import (
	"fmt"
	"iter"
	"reflect"
)

// fields are the keys of one table with their values, in the order of its struct.
func fields(table reflect.Value) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		for f, value := range table.Fields() {
			name := f.Tag.Get("toml")
			if name != "" && name != "-" && !yield(name, value) {
				return
			}
		}
	}
}

// keys are all that can be set, by their whole names: "pricefeed.coinbase.url". A
// list of tables is one key.
func keys(table reflect.Value) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) { walk(table, "", yield) }
}

func walk(table reflect.Value, prefix string, yield func(string, reflect.Value) bool) bool {
	for name, value := range fields(table) {
		if isTable(value.Type()) {
			if !walk(value, prefix+name+".", yield) {
				return false
			}
		} else if !yield(prefix+name, value) {
			return false
		}
	}
	return true
}

func isTable(t reflect.Type) bool { return t.Kind() == reflect.Struct }

func isTableList(t reflect.Type) bool { return t.Kind() == reflect.Slice && isTable(t.Elem()) }

// join is a key within table, which is empty at the top.
func join(table, name string) string {
	if table == "" {
		return name
	}
	return table + "." + name
}

// element is one table in a list of tables: auth.policies[2].
func element(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }
