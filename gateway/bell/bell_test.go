package bell_test

import (
	"testing"

	"tickerd/gateway/bell"
)

func TestBell(t *testing.T) {
	b := bell.New()
	for range 3 { // each time anew
		b.Ring()
		b.Ring()
		<-b
		select {
		case <-b:
			t.Error("what was rung twice was heard twice")
		default:
		}
	}
}
