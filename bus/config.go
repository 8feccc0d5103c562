package bus

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Config is the table [bus] of the settings.
type Config struct {
	// Listen is where NATS clients connect; empty: nowhere, the bus is in-process only.
	Listen string `toml:"listen"`
	// OperatorPassword lets the user "operator" see everything.
	OperatorPassword string `toml:"operator_password"`
	// Node names this node, unique in a cluster; a token of a subject.
	Node string `toml:"node"`

	ClusterListen   string   `toml:"cluster_listen"`
	Routes          []string `toml:"routes"`
	ClusterName     string   `toml:"cluster_name"`
	ClusterPassword string   `toml:"cluster_password"`
	URL             string   `toml:"url"`
	Credentials     string   `toml:"credentials"`

	// Voter says that the node keeps something, so that its server takes part in
	// keeping the cluster's streams. It is no setting of its own.
	Voter bool `toml:"-"`
}

// Defaults are the settings that nothing overrides.
func Defaults() Config {
	return Config{Listen: "127.0.0.1:4222"}
}

// Validate names the first key that is wrong.
func (c Config) Validate() error {
	if c.Listen != "" {
		if _, _, err := splitAddress(c.Listen); err != nil {
			return &KeyError{"listen", err}
		}
	}
	if c.Node != "" && c.Node != NodeName(c.Node) {
		return &KeyError{"node", fmt.Errorf("%q: must be one token of a NATS subject, without blanks or . * >", c.Node)}
	}
	for _, later := range []struct {
		key string
		set bool
	}{
		{"cluster_listen", c.ClusterListen != ""},
		{"routes", len(c.Routes) > 0},
		{"cluster_name", c.ClusterName != ""},
		{"cluster_password", c.ClusterPassword != ""},
		{"url", c.URL != ""},
		{"credentials", c.Credentials != ""},
	} {
		if later.set {
			return &KeyError{later.key, errors.New("not supported yet: this version runs on one node, with its own bus")}
		}
	}
	return nil
}

// splitAddress parts host:port.
func splitAddress(s string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not host:port", s)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q: port %q is not a number up to 65535", s, text)
	}
	return host, int(n), nil
}
