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
	"tickerd/handler"
	"tickerd/pricefeed"
	"tickerd/pricefeed/history"
	"tickerd/ticker"
	"tickerd/web"
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

	store, err := auth.Open(ctx, s.Auth, dir.file(databaseFile), log)
	if err != nil {
		return err
	}
	defer closing(log, "database", store.Close)
	demo, err := demoKey(ctx, s, dir, store, log)
	if err != nil {
		return err
	}

	policies := auth.NewPolicies(s.Auth.Policies)
	verifier := auth.NewVerifier(auth.NewSigner([]byte(s.Auth.TokenKey), s.Auth.TokenTTL), log)
	symbols, err := parseSymbols(s.PriceFeed)
	if err != nil {
		return err
	}
	past := history.New(s.PriceFeed.History, s.PriceFeed.Source, symbols, conns.history, log)
	feed, err := pricefeed.New(s.PriceFeed, pricefeed.Parts{Bus: conns.feed, Node: s.Bus.Node, History: past, Log: log})
	if err != nil {
		return err
	}
	workers := handler.New(s.Handler, handler.Parts{
		Bus:      conns.handler,
		Policies: policies,
		Verifier: verifier,
		Symbols:  symbols,
		Log:      log,
	})
	front, err := gateway.New(s.Gateway, s.Server, gateway.Parts{
		Bus:      conns.gateway,
		Node:     s.Bus.Node,
		Verifier: verifier,
		Policies: policies,
		Limiter:  auth.NewLimiter(s.Auth.FailuresPerMinute, s.Auth.TokensPerMinute),
		Symbols:  symbols,
		Page:     web.Handler(),
		Checks: []gateway.Check{
			{Name: "bus", Ready: conns.gateway.Ready},
			{Name: "store", Ready: store.Ready},
			{Name: "feed", Ready: func(context.Context) error { return feed.Ready() }},
		},
		Log: log,
	})
	if err != nil {
		return err
	}
	if err := front.Listen(ctx); err != nil {
		return err
	}
	admin, err := listenAdmin(ctx, s.Server.AdminListen, metricsOf(front, workers, feed), log)
	if err != nil {
		return errors.Join(err, front.Close())
	}

	// The front ends first, when ctx does: draining it needs all the others. Should
	// one of them fail, the front is drained as well.
	lasting, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	others, lasting := errgroup.WithContext(lasting)
	others.Go(func() error {
		return auth.NewService(auth.ServiceParts{Bus: conns.auth, Store: store, Policies: policies, Log: log}).Run(lasting)
	})
	others.Go(func() error { return verifier.Run(lasting, conns.auth, front.Revoked) })
	others.Go(func() error { return workers.Run(lasting) })
	others.Go(func() error { return admin.Run(lasting) })
	others.Go(func() error { return keepMemory(lasting) })
	changes.subscribe = feed.Subscribe
	others.Go(func() error { return changes.Run(lasting) })

	accepting, drain := context.WithCancel(ctx)
	defer drain()
	defer context.AfterFunc(lasting, drain)()
	others.Go(func() error { return feed.Run(lasting) })
	starting := []<-chan struct{}{verifier.Ready(), workers.Ready()}
	if s.PriceFeed.Source == pricefeed.SourceSimulator {
		starting = append(starting, front.Primed()) // an exchange may take its time
	}
	for _, ready := range starting {
		select {
		case <-ready:
		case <-accepting.Done():
		}
	}
	if err := server.ServeLocal(dir.file(socketFile)); err != nil {
		end()
		return errors.Join(err, front.Close(), others.Wait())
	}
	if accepting.Err() == nil {
		announce(s, server, front, admin, demo, log)
		log.Info("ready", "in", time.Since(began).Round(time.Millisecond))
	}
	err = front.Run(accepting)
	end()
	return errors.Join(err, others.Wait())
}

// connections are the parts' own to the bus: none waits behind another's traffic.
type connections struct{ auth, feed, history, handler, gateway *bus.Conn }

func connect(server *bus.Server) (c connections, err error) {
	for name, to := range map[string]**bus.Conn{
		"auth": &c.auth, "pricefeed": &c.feed, "history": &c.history, "handler": &c.handler, "gateway": &c.gateway,
	} {
		if *to, err = server.Connect(name); err != nil {
			c.close()
			return connections{}, err
		}
	}
	return c, nil
}

func (c connections) close() {
	for _, conn := range []*bus.Conn{c.auth, c.feed, c.history, c.handler, c.gateway} {
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
	log.Info("prices", "source", s.PriceFeed.Source, "symbols", strings.Join(s.PriceFeed.Symbols, ","))
	if demo != "" {
		log.Info("demo key, to sign in with", "api_key", demo.Reveal())
	}
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
