package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/gateway"
	"tickerd/pricefeed"
	"tickerd/ticker"
)

// serveCommand runs the server.
type serveCommand struct{}

func (serveCommand) Run(ctx context.Context, p *program, file *configFile) error {
	read := func() (settings, error) {
		s, _, err := readSettings(string(*file), p.environ)
		return s, err
	}
	s, err := read()
	if err != nil {
		return err
	}
	log := newLog(s.Log, p.stderr)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	err = serve(ctx, s, &reloader{hangups: hangups, read: read, log: log, current: s}, log)
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return nil // told to end before it had begun
	case err != nil && s.Log.Format == "json":
		log.Error("tickerd ends", "err", err)
		return errLogged
	}
	return err
}

// serve runs a node until ctx ends, and then drains it. What is built first ends
// last.
func serve(ctx context.Context, s settings, changes *reloader, log *slog.Logger) error {
	began := time.Now()
	dir, err := openDataDir(ctx, s.DataDir)
	if err != nil {
		return err
	}
	defer closing(log, "data directory", dir.Close)
	if err := fillIn(&s, dir, log); err != nil {
		return err
	}

	s.Bus.Voter, s.Bus.Handles = s.votes(), s.Handler.Workers > 0
	server, err := bus.Start(ctx, s.Bus, dir.file(busDir), log)
	if err != nil {
		return err
	}
	defer server.Close()
	conns, err := connect(server)
	if err != nil {
		return err
	}
	defer conns.close()

	var store *auth.Store
	var demo auth.Key
	if s.Auth.HasDatabase() {
		if store, err = auth.Open(ctx, s.Auth, dir.file(databaseFile), log); err != nil {
			return err
		}
		defer closing(log, "database", store.Close)
		if demo, err = demoKey(ctx, s, dir, store, log); err != nil {
			return err
		}
	}
	me, err := newSelf(s, began, server, conns, store, log)
	if err != nil {
		return err
	}
	if err := me.front.Listen(ctx); err != nil {
		return err
	}
	admin, err := listenAdmin(ctx, s.Server.AdminListen, me, log)
	if err != nil {
		return errors.Join(err, me.front.Close())
	}

	// The front ends first, when ctx does: draining it needs all the others. Should
	// one of them fail, the front is drained as well.
	lasting, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	others, lasting := errgroup.WithContext(lasting)
	me.start(lasting, others, conns.verifier)
	others.Go(func() error { return admin.Run(lasting) })
	others.Go(func() error { return keepMemory(lasting) })
	changes.subscribe = me.feed.Subscribe
	others.Go(func() error { return changes.Run(lasting) })

	accepting, drain := context.WithCancel(ctx)
	defer drain()
	defer context.AfterFunc(lasting, drain)()
	for _, ready := range me.beginnings(s) {
		select {
		case <-ready:
		case <-accepting.Done():
		}
	}
	if err := server.ServeLocal(dir.file(socketFile)); err != nil {
		end()
		return errors.Join(err, me.front.Close(), others.Wait())
	}
	if accepting.Err() == nil {
		announce(s, server, me.front, admin, demo, log)
		log.Info("ready", "in", time.Since(began).Round(time.Millisecond))
	}
	me.serving.Store(true)
	me.nodes.Changed()
	if !s.Bus.IsAlone() {
		defer context.AfterFunc(accepting, me.leave)()
	}
	err = me.front.Run(accepting)
	end()
	return errors.Join(err, others.Wait())
}

// votes reports whether the node's own server keeps the cluster's streams: never a leaf
// node's, which has those of the others; always that of a node that others are leaves of.
func (s settings) votes() bool {
	return !s.Bus.IsLeaf() && (s.keepsSomething() || !s.Bus.IsCluster() && s.Bus.LeafListen != "")
}

// keepsSomething reports whether the node has anything to keep in the cluster's streams:
// keys, or what became of prices.
func (s settings) keepsSomething() bool {
	return s.Auth.HasDatabase() || s.PriceFeed.Source != pricefeed.SourceNone
}

// connections are the parts' own to the bus: none waits behind another's traffic.
type connections struct{ cluster, auth, verifier, feed, history, handler, gateway *bus.Conn }

func connect(server *bus.Server) (c connections, err error) {
	for name, to := range map[string]**bus.Conn{
		"cluster": &c.cluster, "auth": &c.auth, "verifier": &c.verifier,
		"pricefeed": &c.feed, "history": &c.history, "handler": &c.handler, "gateway": &c.gateway,
	} {
		if *to, err = server.Connect(name); err != nil {
			c.close()
			return connections{}, err
		}
	}
	return c, nil
}

func (c connections) close() {
	for _, conn := range []*bus.Conn{c.cluster, c.auth, c.verifier, c.feed, c.history, c.handler, c.gateway} {
		if conn != nil {
			conn.Close()
		}
	}
}

// fillIn sets what is not set and has no fixed default: what is made once and
// kept in the data directory, and this host's name.
func fillIn(s *settings, dir *dataDir, log *slog.Logger) (err error) {
	if s.Bus.Node == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("name this node: %w", err)
		}
		s.Bus.Node = bus.NodeName(host)
	}
	if s.Bus.OperatorPassword == "" {
		s.Bus.OperatorPassword, err = secret(dir.file(operatorPasswordFile), minPassword, randomSecret, log)
		if err != nil {
			return err
		}
	}
	if s.Auth.TokenKey == "" {
		s.Auth.TokenKey, err = secret(dir.file(tokenKeyFile), auth.MinTokenKey, randomSecret, log)
	}
	return err
}

// demoKey is the key for a first look, empty where there is none.
func demoKey(ctx context.Context, s settings, dir *dataDir, store *auth.Store, log *slog.Logger) (auth.Key, error) {
	if !s.Auth.Demo {
		return "", nil
	}
	made := func() string { return auth.RandomKey().Reveal() }
	text, err := secret(dir.file(demoKeyFile), 1, made, log)
	if err != nil {
		return "", err
	}
	key := auth.Key(text)
	info, err := store.EnsureDemo(ctx, s.Bus.Node, key)
	if err != nil {
		return "", fmt.Errorf("%s: %w", dir.file(demoKeyFile), err)
	}
	if info.RevokedAt != nil {
		log.Warn("the demo key is revoked: remove its file to have another made, or set auth.demo = false", "file", dir.file(demoKeyFile))
		return "", nil
	}
	return key, nil
}

// parseSymbols is the feed's symbols, none without a feed.
func parseSymbols(c pricefeed.Config) ([]ticker.Symbol, error) {
	if c.Source == pricefeed.SourceNone {
		return nil, nil
	}
	symbols := make([]ticker.Symbol, len(c.Symbols))
	for i, name := range c.Symbols {
		symbol, err := ticker.ParseSymbol(name)
		if err != nil {
			return nil, err
		}
		symbols[i] = symbol
	}
	return symbols, nil
}

// announce says what a person needs: the addresses, and the demo key.
func announce(s settings, server *bus.Server, front *gateway.Gateway, admin *admin, demo auth.Key, log *slog.Logger) {
	scheme := "http"
	if s.Server.TLSCert != "" {
		scheme = "https"
	}
	log.Info("page and API", "url", scheme+"://"+reachable(front.Addr()), "addr", front.Addr())
	if admin.listener != nil {
		log.Info("metrics and profiles", "url", "http://"+reachable(admin.listener.Addr())+"/metrics", "addr", admin.listener.Addr())
	}
	if addr := server.Addr(); addr != nil {
		log.Info("bus for NATS clients", "url", "nats://"+reachable(addr), "addr", addr)
	}
	if addr := server.ClusterAddr(); addr != nil {
		log.Info("bus for other nodes", "node", s.Bus.Node, "addr", addr, "routes", strings.Join(s.Bus.Routes, ","))
	}
	log.Info("prices", "source", s.PriceFeed.Source, "symbols", someOf(s.PriceFeed.Symbols))
	if demo != "" {
		log.Info("demo key, to sign in with", "api_key", demo.Reveal())
	}
}

// someOf lists the first of many names, and how many there are.
func someOf(names []string) string {
	const shown = 20
	if len(names) <= shown {
		return strings.Join(names, ",")
	}
	return fmt.Sprintf("%s,… (%d)", strings.Join(names[:shown], ","), len(names))
}

// reachable is addr as one may dial it on this machine.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// closing closes what a failure to close is only to be told of.
func closing(log *slog.Logger, what string, end func() error) {
	if err := end(); err != nil {
		log.Error("close "+what, "err", err)
	}
}
