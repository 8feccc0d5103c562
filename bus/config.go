package bus

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Config is the table [bus] of the settings.
type Config struct {
	// Listen is where NATS clients connect; empty: nowhere, the bus is in-process only.
	Listen string `toml:"listen"`
	// OperatorPassword lets the user "operator" see everything.
	OperatorPassword string `toml:"operator_password"`
	// Node names this node, unique in a cluster; a token of a subject.
	Node string `toml:"node"`

	// ClusterListen is where the other nodes connect, Routes where they are; this
	// node's own may be among them. Both or none.
	ClusterListen string   `toml:"cluster_listen"`
	Routes        []string `toml:"routes"`
	// ClusterName is the same on all nodes, and so is ClusterPassword.
	ClusterName     string `toml:"cluster_name"`
	ClusterPassword string `toml:"cluster_password"`
	// ClusterTLSCert, ClusterTLSKey and ClusterTLSCA are PEM files, all or none: between
	// nodes TLS is spoken, and each must have a certificate of that authority.
	ClusterTLSCert string `toml:"cluster_tls_cert"`
	ClusterTLSKey  string `toml:"cluster_tls_key"`
	ClusterTLSCA   string `toml:"cluster_tls_ca"`

	// LeafListen is where leaf nodes connect, LeafRemotes where a leaf node does.
	LeafListen  string   `toml:"leaf_listen"`
	LeafRemotes []string `toml:"leaf_remotes"`

	// URL is an existing NATS system, instead of a server of this node's own; several
	// servers of it are separated by commas. Credentials is a file for it.
	URL         string `toml:"url"`
	Credentials string `toml:"credentials"`

	// Replicas is how many nodes keep each stream; 0: three in a cluster, else one.
	Replicas int `toml:"replicas"`

	// Voter says that the node's own server takes part in keeping the cluster's
	// streams. It is no setting of its own.
	Voter bool `toml:"-"`

	// Handles says that the node handles the connections that it has. It is no setting of
	// its own. A leaf node then keeps them to itself.
	Handles bool `toml:"-"`
}

// Defaults are the settings that nothing overrides.
func Defaults() Config {
	return Config{Listen: "127.0.0.1:4222", Routes: []string{}, ClusterName: "tickerd", LeafRemotes: []string{}}
}

// IsCluster reports whether the node is one of several that are connected by routes.
func (c Config) IsCluster() bool { return c.ClusterListen != "" }

// IsLeaf reports whether the node is at the edge of another's system.
func (c Config) IsLeaf() bool { return len(c.LeafRemotes) > 0 }

// IsAlone reports whether there can be no other node.
func (c Config) IsAlone() bool {
	return !c.IsCluster() && !c.IsLeaf() && c.LeafListen == "" && c.URL == ""
}

// replicas is how many nodes are to keep each stream.
func (c Config) replicas() int {
	switch {
	case c.Replicas > 0:
		return c.Replicas
	case c.IsCluster() || c.IsLeaf():
		return 3
	}
	return 1
}

// Validate names the first key that is wrong.
func (c Config) Validate() error {
	if c.Node != "" && c.Node != NodeName(c.Node) {
		return &KeyError{"node", fmt.Errorf("%q: must be one token of a NATS subject, without blanks or . * >", c.Node)}
	}
	for _, check := range []func() error{c.checkAddresses, c.checkCluster, c.checkTLS, c.checkURL} {
		if err := check(); err != nil {
			return err
		}
	}
	if c.Replicas != 0 && c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		return &KeyError{"replicas", fmt.Errorf("%d is none of 0, 1, 3 and 5", c.Replicas)}
	}
	return nil
}

func (c Config) checkAddresses() error {
	for _, here := range []struct{ key, address string }{
		{"listen", c.Listen}, {"cluster_listen", c.ClusterListen}, {"leaf_listen", c.LeafListen},
	} {
		if here.address == "" {
			continue // none
		}
		if _, _, err := splitAddress(here.address); err != nil {
			return &KeyError{here.key, err}
		}
	}
	for _, there := range []struct {
		key       string
		addresses []string
	}{
		{"routes", c.Routes}, {"leaf_remotes", c.LeafRemotes},
	} {
		for _, address := range there.addresses {
			host, port, err := splitAddress(address)
			if err == nil && (host == "" || port == 0) {
				err = fmt.Errorf("%q names no host, or no port", address)
			}
			if err != nil {
				return &KeyError{there.key, err}
			}
		}
	}
	return nil
}

func (c Config) checkCluster() error {
	switch {
	case c.IsCluster() && len(c.Routes) == 0:
		return &KeyError{"routes", errors.New("empty: a cluster has another node, and this one must know where")}
	case !c.IsCluster() && len(c.Routes) > 0:
		return &KeyError{"routes", errors.New("is set, and cluster_listen is not")}
	case c.ClusterName == "" || strings.ContainsAny(c.ClusterName, " \t\r\n"):
		return &KeyError{"cluster_name", fmt.Errorf("%q: must be a name without blanks", c.ClusterName)}
	case c.IsLeaf() && (c.IsCluster() || c.LeafListen != ""):
		return &KeyError{"leaf_remotes", errors.New("a leaf node is in no cluster of its own: leave cluster_listen and leaf_listen out")}
	case (c.IsLeaf() || c.LeafListen != "") && c.ClusterPassword == "":
		return &KeyError{"cluster_password", errors.New("empty: leaf nodes sign in with it")}
	}
	return nil
}

func (c Config) checkTLS() error {
	files := []struct{ key, file string }{
		{"cluster_tls_cert", c.ClusterTLSCert}, {"cluster_tls_key", c.ClusterTLSKey}, {"cluster_tls_ca", c.ClusterTLSCA},
	}
	set := 0
	for _, f := range files {
		if f.file != "" {
			set++
		}
	}
	for _, f := range files {
		if set > 0 && f.file == "" {
			return &KeyError{f.key, errors.New("is not set, and others of cluster_tls_cert, _key and _ca are")}
		}
	}
	return nil
}

func (c Config) checkURL() error {
	switch {
	case c.URL == "" && c.Credentials != "":
		return &KeyError{"credentials", errors.New("is set, and url is not")}
	case c.URL == "":
		return nil
	case c.IsCluster() || c.IsLeaf() || c.LeafListen != "":
		return &KeyError{"url", errors.New("a node on another NATS system has no server of its own: leave cluster_listen, leaf_listen and leaf_remotes out")}
	}
	for address := range strings.SplitSeq(c.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(address))
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return &KeyError{"url", errors.New("not an address such as nats://nats.example.com:4222")} // which may hold a password
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
