package replay

import (
	"errors"
	"math"
	"testing"

	"tickerd/bus"
)

func TestConfig(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
	for _, speed := range []float64{0.1, 1, 2.5, 1000} {
		if err := (Config{Speed: speed}).Validate(); err != nil {
			t.Errorf("%v: %v", speed, err)
		}
	}
	for _, speed := range []float64{0, -1, 0.0999, 1001, math.NaN(), math.Inf(1)} {
		fault, ok := errors.AsType[*bus.KeyError](Config{Speed: speed}.Validate())
		if !ok || fault.Key != "speed" {
			t.Errorf("%v: %v", speed, fault)
		}
	}
}
