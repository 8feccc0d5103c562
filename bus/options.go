package bus

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// userNode is how nodes sign in at one another.
	userNode = "node"

	// linkPing is how often a link between nodes is tried: one that is dead is known to
	// be after three times as long.
	linkPing  = 2 * time.Second
	linkPings = 2

	// ofConnections is what gateway and handlers say of connections. A leaf node that has
	// both keeps it to itself: else each subscription of a handler, one for a connection,
	// would be known to every node, and with a million each would be full of them.
	ofConnections = "conn.>"

	// linkRetries is how often a node is looked for that the others have told of, once a
	// second. One that the settings name is looked for without end.
	linkRetries = 3600

	// linkReports is of how many vain attempts in a row one is logged.
	linkReports = 60
)

// options are NATS's, of a node with a server of its own.
func options(cfg Config, store string) (*server.Options, error) {
	opts := &server.Options{
		ServerName:             cfg.Node,
		NoSigs:                 true,
		NoSystemAccount:        !cfg.IsCluster() && !cfg.IsLeaf(),
		NoSublistCache:         true, // subscriptions come and go with connections: the cache costs a join more than the rest of it
		MaxPending:             maxPending,
		WriteDeadline:          writeTimeout,
		AuthTimeout:            connectTimeout.Seconds(),
		JetStream:              !cfg.IsLeaf() && (!cfg.IsCluster() || cfg.Voter),
		StoreDir:               store,
		SyncAlways:             true,
		DisableJetStreamBanner: true,
		ReconnectErrorReports:  linkReports,
	}
	if err := listenForClients(opts, cfg); err != nil {
		return nil, err
	}
	links, err := linkTLS(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.IsCluster() {
		if err := joinCluster(opts, cfg, links); err != nil {
			return nil, err
		}
	}
	if cfg.LeafListen != "" {
		leaf := &opts.LeafNode
		if err := bind(cfg.LeafListen, &leaf.Host, &leaf.Port); err != nil {
			return nil, err
		}
		leaf.Username, leaf.Password, leaf.AuthTimeout = userNode, cfg.ClusterPassword, connectTimeout.Seconds()
		leaf.TLSConfig, leaf.TLSTimeout = links, connectTimeout.Seconds()
		leaf.Compression.Mode = server.CompressionOff
	}
	if cfg.IsLeaf() {
		opts.LeafNode.ReconnectInterval = time.Second
		remote := &server.RemoteLeafOpts{
			URLs: linkURLs(cfg.LeafRemotes, cfg.ClusterPassword), TLS: links != nil, TLSConfig: links, TLSTimeout: connectTimeout.Seconds(),
			Compression: server.CompressionOpts{Mode: server.CompressionOff},
		}
		if cfg.Handles {
			remote.DenyImports, remote.DenyExports = []string{ofConnections}, []string{ofConnections}
		}
		opts.LeafNode.Remotes = []*server.RemoteLeafOpts{remote}
	}
	return opts, nil
}

// listenForClients says where NATS clients connect. In a cluster the server begins with
// its routes only behind that: where there is to be no port, it has one on the loopback
// that lets nobody in.
func listenForClients(opts *server.Options, cfg Config) error {
	address := cfg.Listen
	switch {
	case address == "" && !cfg.IsCluster():
		opts.DontListen = true
		return nil
	case address == "":
		address = "127.0.0.1:0"
	}
	return bind(address, &opts.Host, &opts.Port)
}

// joinCluster connects the server with those of other nodes.
func joinCluster(opts *server.Options, cfg Config, links *tls.Config) error {
	c := &opts.Cluster
	if err := bind(cfg.ClusterListen, &c.Host, &c.Port); err != nil {
		return err
	}
	c.Name = cfg.ClusterName
	if cfg.ClusterPassword != "" {
		c.Username, c.Password = userNode, cfg.ClusterPassword
	}
	c.AuthTimeout = connectTimeout.Seconds()
	c.TLSConfig, c.TLSTimeout = links, connectTimeout.Seconds()
	c.PingInterval, c.MaxPingsOut = linkPing, linkPings
	c.ConnectRetries = linkRetries
	c.NoAdvertise = !isOpen(cfg.Listen) // a port that other machines cannot reach
	opts.Routes = linkURLs(otherRoutes(cfg), cfg.ClusterPassword)
	return nil
}

// otherRoutes are the routes without this node's own. NATS takes all of them for other
// nodes, and begins to keep streams only when so many are there: without its own, a new
// cluster begins while one node is missing, and still cannot begin twice.
func otherRoutes(cfg Config) []string {
	others := slices.DeleteFunc(slices.Clone(cfg.Routes), func(route string) bool { return isOwn(route, cfg.ClusterListen) })
	if len(others) == 0 {
		return cfg.Routes
	}
	return others
}

// isOwn reports whether a route leads to where this node itself listens.
func isOwn(route, listen string) bool {
	host, port, err := splitAddress(route)
	at, listenPort, listenErr := splitAddress(listen)
	if err != nil || listenErr != nil || port != listenPort {
		return false
	}
	if host == at {
		return true
	}
	if ip := net.ParseIP(at); at != "" && (ip == nil || !ip.IsUnspecified()) {
		return false
	}
	ips, err := net.LookupIP(host)
	local, localErr := net.InterfaceAddrs()
	return err == nil && localErr == nil && slices.ContainsFunc(ips, func(ip net.IP) bool {
		return slices.ContainsFunc(local, func(a net.Addr) bool {
			n, ok := a.(*net.IPNet)
			return ok && n.IP.Equal(ip)
		})
	})
}

// isOpen reports whether an address is one for other machines.
func isOpen(address string) bool {
	host, _, err := splitAddress(address)
	ip := net.ParseIP(host)
	return err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// bind parts an address to listen on. Port 0 is any.
func bind(address string, host *string, port *int) (err error) {
	if *host, *port, err = splitAddress(address); err == nil && *port == 0 {
		*port = server.RANDOM_PORT
	}
	return err
}

// linkURLs are addresses of nodes, with what signs in there.
func linkURLs(addresses []string, password string) []*url.URL {
	urls := make([]*url.URL, len(addresses))
	for i, address := range addresses {
		urls[i] = &url.URL{Scheme: "nats", Host: address}
		if password != "" {
			urls[i].User = url.UserPassword(userNode, password)
		}
	}
	return urls
}

// linkTLS is what nodes speak between them, nil for plain text: both sides show a
// certificate of the one authority.
func linkTLS(cfg Config) (*tls.Config, error) {
	if cfg.ClusterTLSCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cfg.ClusterTLSCert, cfg.ClusterTLSKey)
	if err != nil {
		return nil, fmt.Errorf("cluster_tls_cert, cluster_tls_key: %w", err)
	}
	pem, err := os.ReadFile(cfg.ClusterTLSCA)
	if err != nil {
		return nil, fmt.Errorf("cluster_tls_ca: %w", err)
	}
	authority := x509.NewCertPool()
	if !authority.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cluster_tls_ca: %s: holds no certificate", cfg.ClusterTLSCA)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		RootCAs:      authority,
		ClientCAs:    authority,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS13,
	}, nil
}
