package main

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// assign puts x, which is as TOML gives it, into value. A duration is written as
// a string, and a whole number will do for any number.
func assign(value reflect.Value, x any) error {
	t := value.Type()
	switch x := x.(type) {
	case []any:
		if t.Kind() == reflect.Slice && !isTableList(t) {
			return assignList(value, x)
		}
	case string:
		if t.Kind() == reflect.String {
			value.SetString(x)
			return nil
		}
		if d, err := time.ParseDuration(x); err == nil && isDuration(t) {
			value.SetInt(int64(d))
			return nil
		}
	case bool:
		if t.Kind() == reflect.Bool {
			value.SetBool(x)
			return nil
		}
	case int64:
		if isWhole(t) && !value.OverflowInt(x) {
			value.SetInt(x)
			return nil
		}
		if value.CanFloat() {
			value.SetFloat(float64(x))
			return nil
		}
	case float64:
		if value.CanFloat() && !math.IsNaN(x) && !math.IsInf(x, 0) {
			value.SetFloat(x)
			return nil
		}
	}
	return mismatch(t, x)
}

// assignList replaces the whole list.
func assignList(value reflect.Value, list []any) error {
	made := reflect.MakeSlice(value.Type(), len(list), len(list))
	for i, x := range list {
		if err := assign(made.Index(i), x); err != nil {
			return fmt.Errorf("element %d: %w", i+1, err)
		}
	}
	value.Set(made)
	return nil
}

// parse reads the text of a variable as what TOML has for a key of type t. Where
// it is nothing of the kind it stays text, which assign refuses.
func parse(t reflect.Type, s string) any {
	switch {
	case t.Kind() == reflect.Slice:
		list := []any{}
		if s == "" {
			return list
		}
		for part := range strings.SplitSeq(s, ",") {
			list = append(list, parse(t.Elem(), strings.TrimSpace(part)))
		}
		return list
	case t.Kind() == reflect.Bool:
		if b, err := strconv.ParseBool(s); err == nil {
			return b
		}
	case isWhole(t):
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	case t.Kind() == reflect.Float64:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	}
	return s
}

func isDuration(t reflect.Type) bool { return t == reflect.TypeFor[time.Duration]() }

func isWhole(t reflect.Type) bool {
	return reflect.Int <= t.Kind() && t.Kind() <= reflect.Int64 && !isDuration(t)
}

// mismatch says what a key of type t takes, and that x is none. It does not show
// what might be meant for a text: that may be a secret.
func mismatch(t reflect.Type, x any) error {
	switch {
	case t.Kind() == reflect.String:
		return fmt.Errorf("must be a string, in quotes, not %s", kind(x))
	case isTable(t):
		return fmt.Errorf("must be a table, not %s", kind(x))
	case isTableList(t):
		return fmt.Errorf("must be a list of tables, not %s", kind(x))
	case t.Kind() == reflect.Slice:
		return fmt.Errorf("must be a list, not %s", kind(x))
	}
	want := "a number"
	switch {
	case isDuration(t):
		want = `a duration such as "10ms"`
	case t.Kind() == reflect.Bool:
		want = "true or false"
	case isWhole(t):
		want = "a whole number"
	}
	switch x := x.(type) {
	case string:
		return fmt.Errorf("must be %s, not %.40q", want, x)
	case bool, int64, float64:
		return fmt.Errorf("must be %s, not %v", want, x)
	}
	return fmt.Errorf("must be %s, not %s", want, kind(x))
}

// kind is what TOML calls x.
func kind(x any) string {
	switch x.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64, float64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}
