package main

import (
	"context"
	"encoding/json"
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
)

// admin is the second listener, for who runs the node: metrics, profiles, and the nodes
// of the cluster.
type admin struct {
	listener net.Listener // nil: none
	server   *http.Server
}

func listenAdmin(ctx context.Context, addr string, me *self, log *slog.Logger) (*admin, error) {
	if addr == "" {
		return &admin{}, nil
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metricsOf(me), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /nodes", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		list, err := me.nodes.All(ctx)
		if err != nil {
			http.Error(w, "nodes: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list) // who is gone does not need it
	})
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
func metricsOf(me *self) prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(me.front.Collectors()...)
	r.MustRegister(me.workers.Collectors()...)
	r.MustRegister(newFeedMetrics(me.feed))
	r.MustRegister(clusterMetrics(me)...)
	return r
}

// clusterMetrics shows this node among the others.
func clusterMetrics(me *self) []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "tickerd", Subsystem: "cluster", Name: name, Help: help}, value)
	}
	is := func(yes bool) float64 {
		if yes {
			return 1
		}
		return 0
	}
	return []prometheus.Collector{
		gauge("nodes", "Nodes that are heard, this one included; on most leaf nodes, those with a vote.", func() float64 { return float64(len(me.nodes.Nodes())) }),
		gauge("in_touch", "1 while the node hears the majority of those that keep the cluster's streams.", func() float64 { return is(me.nodes.InTouch()) }),
		gauge("admits", "1 while the node knows all that was revoked, and lets clients in.", func() float64 { return is(me.reach() == nil) }),
		gauge("publishes", "1 while the node publishes the prices.", func() float64 { _, yes := me.feed.Publishes(); return is(yes) }),
		gauge("tick_lag_seconds", "How old the newest tick was when it came.", func() float64 { _, _, lag := me.front.Newest(); return lag.Seconds() }),
	}
}
