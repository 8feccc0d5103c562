package ticker

import (
	"reflect"
	"testing"
)

func TestHeldRules(t *testing.T) {
	for _, rules := range []Rules{{}, {Everything}, {"*", "!ETH-*", "ETH-USD"}} {
		held := rules.Hold()
		if got := held.Rules(); !reflect.DeepEqual(got, rules) {
			t.Errorf("%q became %q", rules, got)
		}
		if again := append(Rules{}, rules...).Hold(); again != held {
			t.Errorf("%q is held twice", rules)
		}
		if more := append(Rules{"BTC-USD"}, rules...).Hold(); more == held || more.String() == held.String() {
			t.Errorf("%q is held as %q", more, rules)
		}
	}
	if Rules(nil).Hold() != (Rules{}).Hold() {
		t.Error("no rules are held twice")
	}
}
