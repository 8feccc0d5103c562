package main

import (
	"fmt"
	"strings"
)

const variablePrefix = "TICKERD_"

// variable is what the environment calls key: TICKERD_PRICEFEED_COINBASE_URL.
func variable(key string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// readEnvironment takes what the variables TICKERD_… of environ set. One that is
// there but empty sets an empty string or list.
func (r *reader) readEnvironment(environ []string) {
	for _, pair := range environ {
		if name, text, _ := strings.Cut(pair, "="); strings.HasPrefix(name, variablePrefix) {
			r.readVariable(name, text)
		}
	}
}

func (r *reader) readVariable(name, text string) {
	at := origin{variable: name}
	var others []string
	for key, value := range keys(r.root()) {
		known := variable(key)
		switch {
		case isTableList(value.Type()) && (name == known || strings.HasPrefix(name, known+"_")):
			r.refuse(key, at, fmt.Errorf("a list of tables cannot be set by a variable, only in the file: [[%s]]", key))
			return
		case name == known:
			if err := assign(value, parse(value.Type(), text)); err != nil {
				r.refuse(key, at, err)
			}
			r.origins[key] = at
			return
		}
		others = append(others, known)
	}
	r.refuse("", at, didYouMean("unknown variable", nearest(name, others)))
}
