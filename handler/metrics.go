package handler

import "github.com/prometheus/client_golang/prometheus"

// metrics is what a handler counts.
type metrics struct {
	connections prometheus.GaugeFunc
	messages    prometheus.Counter
	refused     *prometheus.CounterVec // by error code
	panics      prometheus.Counter
}

func newMetrics(held func() int) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "tickerd", Subsystem: "handler", Name: name, Help: help}
	}
	return &metrics{
		connections: prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts("connections", "Connections that are held.")), func() float64 { return float64(held()) }),
		messages:    prometheus.NewCounter(prometheus.CounterOpts(opts("messages_total", "Messages of clients that were handled."))),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts(opts("refused_total", "Messages that were answered with an error, by its code.")),
			[]string{"code"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts(opts("panics_total", "Connections that were closed because of a fault of ours."))),
	}
}

// Collectors are the handler's metrics, for a registry.
func (h *Handler) Collectors() []prometheus.Collector {
	m := h.metrics
	return []prometheus.Collector{m.connections, m.messages, m.refused, m.panics}
}
