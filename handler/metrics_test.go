package handler_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is the sum of a metric's values.
func (w *world) metric(name string) float64 {
	w.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(w.handler.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return sum
}

func TestMetrics(t *testing.T) {
	w := newWorld(t, options{})
	w.join(newJoin("a"))
	w.join(newJoin("b"))
	for _, message := range []string{`{"type":"ping"}`, `{"type":"pong"}`, `rubbish`, `{"type":"subscribe","interval_ms":-1}`} {
		w.say("a", message)
	}
	for name, want := range map[string]float64{
		"tickerd_handler_connections":    2,
		"tickerd_handler_messages_total": 4,
		"tickerd_handler_refused_total":  3,
		"tickerd_handler_panics_total":   0,
	} {
		if got := w.metric(name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}
