package main

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/gateway"
	"tickerd/handler"
	"tickerd/pricefeed"
)

// settings are everything that can be set, a table for each package: what the
// package gets is its table, by value.
type settings struct {
	// DataDir holds everything that is kept.
	DataDir string `toml:"data_dir"`

	Server    gateway.ServerConfig `toml:"server"`
	Auth      auth.Config          `toml:"auth"`
	Bus       bus.Config           `toml:"bus"`
	Handler   handler.Config       `toml:"handler"`
	Gateway   gateway.Config       `toml:"gateway"`
	PriceFeed pricefeed.Config     `toml:"pricefeed"`
	Log       logConfig            `toml:"log"`
}

// defaultSettings are what nothing overrides; config.toml says the same.
func defaultSettings() settings {
	return settings{
		DataDir:   "data",
		Server:    gateway.ServerDefaults(),
		Auth:      auth.Defaults(),
		Bus:       bus.Defaults(),
		Handler:   handler.Defaults(),
		Gateway:   gateway.Defaults(),
		PriceFeed: pricefeed.Defaults(),
		Log:       logDefaults(),
	}
}

// validate gives the first fault of each table, as *bus.KeyError with the whole
// key: "server.listen".
func (s settings) validate() []*bus.KeyError {
	var faults []*bus.KeyError
	if s.DataDir == "" {
		faults = append(faults, &bus.KeyError{Key: "data_dir", Err: errors.New("must not be empty")})
	}
	for _, table := range []struct {
		name   string
		config interface{ Validate() error }
	}{
		{"server", s.Server},
		{"auth", s.Auth},
		{"bus", s.Bus},
		{"handler", s.Handler},
		{"gateway", s.Gateway},
		{"pricefeed", s.PriceFeed},
		{"log", s.Log},
	} {
		err := table.config.Validate()
		if key, ok := errors.AsType[*bus.KeyError](err); ok {
			faults = append(faults, &bus.KeyError{Key: table.name + "." + key.Key, Err: key.Err})
		} else if err != nil {
			faults = append(faults, &bus.KeyError{Key: table.name, Err: err})
		}
	}
	return faults
}

// An origin is where a setting got its value; the zero origin is the default.
type origin struct {
	file     string
	line     int // from 1; 0: not known
	variable string
}

// String is "config.toml:12" or "TICKERD_SERVER_LISTEN".
func (o origin) String() string {
	switch {
	case o.variable != "":
		return o.variable
	case o.line == 0:
		return o.file
	}
	return fmt.Sprintf("%s:%d", o.file, o.line)
}

// origins has what did not come from the defaults, by key.
type origins map[string]origin

// of is the origin of key, or else of what is around it: of auth.policies for
// auth.policies[2].effect.
func (o origins) of(key string) origin { return innermost(o, key) }

// innermost is what m has for key, or else for the innermost table or list around
// it.
func innermost[V any](m map[string]V, key string) V {
	for {
		v, ok := m[key]
		if ok || key == "" {
			return v
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
}

// settingError is one setting that cannot be used.
type settingError struct {
	key    string // "server.listen"; of a file that is not TOML, maybe none
	origin origin
	err    error
}

// Error is "config.toml:12: server.listen: …", "TICKERD_SERVER_LISTEN: …", or for
// a default "server.listen: …".
func (e *settingError) Error() string {
	var at []string
	if e.origin != (origin{}) {
		at = append(at, e.origin.String())
	}
	if e.origin.variable == "" && e.key != "" {
		at = append(at, e.key)
	}
	return strings.Join(append(at, e.err.Error()), ": ")
}

func (e *settingError) Unwrap() error { return e.err }

// readSettings puts file over the defaults and the variables TICKERD_… of environ
// over both. An empty file stands for ./config.toml, which need not be there. The
// error has a line for each fault that was found.
func readSettings(file string, environ []string) (settings, origins, error) {
	r := reader{settings: defaultSettings(), origins: origins{}}
	if err := r.readFile(file); err != nil {
		return settings{}, nil, err
	}
	r.readEnvironment(environ)
	if r.faults == nil {
		for _, fault := range r.settings.validate() {
			r.refuse(fault.Key, r.origins.of(fault.Key), fault.Err)
		}
	}
	if r.faults != nil {
		slices.SortStableFunc(r.faults, func(a, b *settingError) int {
			return cmp.Or(cmp.Compare(a.origin.variable, b.origin.variable), cmp.Compare(a.origin.line, b.origin.line))
		})
		all := make([]error, len(r.faults))
		for i, fault := range r.faults {
			all[i] = fault
		}
		return settings{}, nil, errors.Join(all...)
	}
	return r.settings, r.origins, nil
}

// reader collects the settings from their sources, the stronger after the weaker.
type reader struct {
	settings settings
	origins  origins
	faults   []*settingError
}

func (r *reader) refuse(key string, at origin, err error) {
	r.faults = append(r.faults, &settingError{key, at, err})
}

// root is the settings as a table to be set.
func (r *reader) root() reflect.Value { return reflect.ValueOf(&r.settings).Elem() }
