package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// isSecret reports whether the value of key is never shown.
func isSecret(key string) bool {
	return slices.Contains([]string{
		"auth.token_key", "bus.operator_password", "bus.cluster_password", "bus.credentials",
	}, key)
}

// hidden stands for a password within a longer value.
const hidden = "xxxxx"

// showSettings gives s as a file that readSettings reads, with a remark where a
// value that is not the default came from. Secrets are left out.
func showSettings(s settings, from origins) []byte {
	l := listing{from: from, defaults: maps.Collect(keys(reflect.ValueOf(defaultSettings())))}
	l.out.WriteString("# The settings in effect. A remark says where a value comes from that is not the default.\n\n")
	l.table("", reflect.ValueOf(s))
	return l.out.Bytes()
}

type listing struct {
	out      bytes.Buffer
	from     origins
	defaults map[string]reflect.Value
}

// table lists a table's own keys, then the tables within it, as TOML wants it.
func (l *listing) table(table string, values reflect.Value) {
	for name, value := range fields(values) {
		key := join(table, name)
		switch {
		case isTable(value.Type()), isTableList(value.Type()) && value.Len() > 0:
		case isSecret(key) && value.Len() > 0:
			fmt.Fprintf(&l.out, "# %s is set and not shown%s\n", name, l.remark(key, value))
		default:
			fmt.Fprintf(&l.out, "%s = %s%s\n", name, literal(value), l.remark(key, value))
		}
	}
	for name, value := range fields(values) {
		key := join(table, name)
		switch {
		case isTable(value.Type()):
			fmt.Fprintf(&l.out, "\n[%s]\n", key)
			l.table(key, value)
		case isTableList(value.Type()):
			for i := range value.Len() {
				fmt.Fprintf(&l.out, "\n[[%s]]%s\n", key, l.remark(key, value))
				l.table(element(key, i), value.Index(i))
			}
		}
	}
}

// remark says where the value of key comes from, unless it is the default.
func (l *listing) remark(key string, value reflect.Value) string {
	at, ok := l.from[key]
	def, isKey := l.defaults[key] // what is within a list of tables is not
	if !ok || !isKey || same(def, value) {
		return ""
	}
	return "  # " + at.String()
}

// same reports whether two values of a key mean the same.
func same(a, b reflect.Value) bool {
	return reflect.DeepEqual(a.Interface(), b.Interface()) || a.Kind() == reflect.Slice && a.Len()+b.Len() == 0
}

// literal is a value as TOML writes it.
func literal(value reflect.Value) string {
	switch {
	case isDuration(value.Type()):
		return quote(shortDuration(time.Duration(value.Int())))
	case value.Kind() == reflect.String:
		return quote(redact(value.String()))
	case value.Kind() == reflect.Slice:
		list := make([]string, value.Len())
		for i := range list {
			list[i] = literal(value.Index(i))
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	return fmt.Sprint(value.Interface())
}

// quote makes a TOML string; JSON's escapes are among TOML's.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // of a string into memory: cannot fail
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}

// shortDuration is 1h for 1h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// redact hides the passwords within a URL, and leaves everything else as it is.
func redact(s string) string {
	if !strings.Contains(s, "://") {
		return s
	}
	u, err := url.Parse(s)
	if err != nil {
		return hidden
	}
	_, found := u.User.Password()
	query := u.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			query.Set(name, hidden)
			u.RawQuery, found = query.Encode(), true
		}
	}
	if !found {
		return s
	}
	return u.Redacted()
}
