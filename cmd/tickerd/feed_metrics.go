package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"tickerd/pricefeed"
)

// feedMetrics shows what a feed counts, and what its exchanges do.
type feedMetrics struct {
	feed    *pricefeed.Feed
	whole   []metric[pricefeed.Stats]
	sources []metric[pricefeed.SourceStats]
	states  *prometheus.Desc
}

// A metric is one figure of some statistics.
type metric[S any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(S) float64
}

func newFeedMetrics(feed *pricefeed.Feed) *feedMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName("tickerd", "feed", name), help, labels, nil)
	}
	const count, gauge = prometheus.CounterValue, prometheus.GaugeValue
	type (
		whole  = pricefeed.Stats
		source = pricefeed.SourceStats
	)
	return &feedMetrics{
		feed: feed,
		whole: []metric[whole]{
			{desc("ticks_total", "Ticks that were published."), count, func(s whole) float64 { return float64(s.Ticks) }},
			{desc("prices_total", "Prices in the ticks that were published."), count, func(s whole) float64 { return float64(s.Prices) }},
			{desc("late_ticks_total", "Ticks that began more than an interval late."), count, func(s whole) float64 { return float64(s.Late) }},
			{desc("failures_total", "Ticks that could not be published and were tried again."), count, func(s whole) float64 { return float64(s.Failures) }},
		},
		sources: []metric[source]{
			{desc("connect_attempts_total", "Attempts to connect to the exchange.", "source"), count, func(s source) float64 { return float64(s.Attempts) }},
			{desc("connects_total", "Attempts to connect to the exchange that succeeded.", "source"), count, func(s source) float64 { return float64(s.Connects) }},
			{desc("messages_total", "Messages that came from the exchange.", "source"), count, func(s source) float64 { return float64(s.Messages) }},
			{desc("bad_messages_total", "Messages from the exchange that made no sense.", "source"), count, func(s source) float64 { return float64(s.Bad) }},
			{desc("outdated_messages_total", "Messages from the exchange that were older than what had come before.", "source"), count, func(s source) float64 { return float64(s.Outdated) }},
			{desc("outliers_total", "Times that a price of the exchange began to be left out, for it was far from the others.", "source"), count, func(s source) float64 { return float64(s.Outliers) }},
			{desc("silence_seconds", "Since the exchange last said anything.", "source"), gauge, func(s source) float64 { return s.Silence.Seconds() }},
		},
		states: desc("symbols", "Symbols, by what is known of them: live, stale or down.", "source", "state"),
	}
}

// Describe is a prometheus.Collector's.
func (m *feedMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, w := range m.whole {
		to <- w.desc
	}
	for _, s := range m.sources {
		to <- s.desc
	}
	to <- m.states
}

// Collect is a prometheus.Collector's.
func (m *feedMetrics) Collect(to chan<- prometheus.Metric) {
	stats := m.feed.Stats()
	for _, w := range m.whole {
		to <- prometheus.MustNewConstMetric(w.desc, w.kind, w.value(stats))
	}
	for _, source := range stats.Sources {
		for _, s := range m.sources {
			to <- prometheus.MustNewConstMetric(s.desc, s.kind, s.value(source), source.Name)
		}
		for state, n := range source.States {
			to <- prometheus.MustNewConstMetric(m.states, prometheus.GaugeValue, float64(n), source.Name, state)
		}
	}
}
