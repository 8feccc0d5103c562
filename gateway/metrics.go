package gateway

import "github.com/prometheus/client_golang/prometheus"

// metrics is what the gateway counts.
type metrics struct {
	opened   prometheus.Counter
	closed   *prometheus.CounterVec // by close code
	refused  *prometheus.CounterVec // by HTTP status
	tokens   *prometheus.CounterVec // by result
	ticks    prometheus.Counter
	dropped  prometheus.Counter
	gaps     prometheus.Counter
	skips    prometheus.Counter
	answers  prometheus.Counter
	bytesOut prometheus.Counter
	open     prometheus.GaugeFunc
}

func newMetrics(g *Gateway) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tickerd", Subsystem: "gateway", Name: name, Help: help})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tickerd", Subsystem: "gateway", Name: name, Help: help}, []string{label})
	}
	return &metrics{
		opened:   counter("connections_opened_total", "Connections that were let in."),
		closed:   vector("connections_closed_total", "Connections that have ended, by close code.", "code"),
		refused:  vector("refused_total", "Requests for the stream that were refused, by HTTP status.", "status"),
		tokens:   vector("token_requests_total", "Exchanges of an API key, by result.", "result"),
		ticks:    counter("ticks_total", "Ticks taken from the bus."),
		dropped:  counter("ticks_dropped_total", "Ticks that were malformed, of an older term, or not newer than the last."),
		gaps:     counter("tick_gaps_total", "Times that ticks were missed, and every stream went on with a snapshot."),
		skips:    counter("snapshots_instead_of_backlog_total", "Times that a client was so far behind that it got a snapshot."),
		answers:  counter("answers_total", "Messages of handlers passed to clients."),
		bytesOut: counter("sent_bytes_total", "Bytes written to clients, before TLS."),
		open: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "tickerd", Subsystem: "gateway", Name: "connections", Help: "Connections that are open.",
		}, func() float64 { return float64(g.Connections()) }),
	}
}

// Collectors are the gateway's metrics, for a registry.
func (g *Gateway) Collectors() []prometheus.Collector {
	m := g.metrics
	return []prometheus.Collector{
		m.opened, m.closed, m.refused, m.tokens, m.ticks, m.dropped, m.gaps, m.skips, m.answers, m.bytesOut, m.open,
	}
}
