package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tickerd/gateway"
	"tickerd/handler"
	"tickerd/pricefeed"
)

// admin is the second listener, for who runs the node: metrics and profiles.
type admin struct {
	listener net.Listener // nil: none
	server   *http.Server
}

func listenAdmin(ctx context.Context, addr string, metrics prometheus.Gatherer, log *slog.Logger) (*admin, error) {
	if addr == "" {
		return &admin{}, nil
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &admin{l, &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// Run answers until ctx ends. A profile that is being taken is cut off then.
func (a *admin) Run(ctx context.Context) error {
	if a.listener == nil {
		return nil
	}
	var ending sync.WaitGroup
	defer ending.Wait()
	stop := make(chan struct{})
	defer close(stop)
	ending.Go(func() {
		select {
		case <-ctx.Done():
		case <-stop:
		}
		_ = a.server.Close()
	})
	if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// metricsOf is everything that the node counts.
func metricsOf(front *gateway.Gateway, workers *handler.Handler, feed *pricefeed.Feed) prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(front.Collectors()...)
	r.MustRegister(workers.Collectors()...)
	r.MustRegister(feedMetrics(feed)...)
	return r
}

// feedMetrics shows the feed's counters.
func feedMetrics(feed *pricefeed.Feed) []prometheus.Collector {
	var list []prometheus.Collector
	for _, c := range []struct {
		name, help string
		value      func(pricefeed.Stats) uint64
	}{
		{"ticks_total", "Ticks that were published.", func(s pricefeed.Stats) uint64 { return s.Ticks }},
		{"prices_total", "Prices in the ticks that were published.", func(s pricefeed.Stats) uint64 { return s.Prices }},
		{"late_ticks_total", "Ticks that began more than an interval late.", func(s pricefeed.Stats) uint64 { return s.Late }},
		{"connect_attempts_total", "Attempts to connect to the exchange.", func(s pricefeed.Stats) uint64 { return s.Attempts }},
		{"connects_total", "Attempts to connect to the exchange that succeeded.", func(s pricefeed.Stats) uint64 { return s.Connects }},
		{"messages_total", "Messages that came from the exchange.", func(s pricefeed.Stats) uint64 { return s.Messages }},
		{"bad_messages_total", "Messages from the exchange that made no sense.", func(s pricefeed.Stats) uint64 { return s.Bad }},
		{"outdated_messages_total", "Messages from the exchange that were older than what had come before.", func(s pricefeed.Stats) uint64 { return s.Outdated }},
		{"failures_total", "Ticks that could not be published and were tried again.", func(s pricefeed.Stats) uint64 { return s.Failures }},
	} {
		list = append(list, prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "tickerd", Subsystem: "feed", Name: c.name, Help: c.help},
			func() float64 { return float64(c.value(feed.Stats())) },
		))
	}
	return list
}
