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
	r.MustRegister(newFeedMetrics(feed))
	return r
}
