package gateway_test

import (
	"testing"

	"tickerd/gateway"
)

// What a connection takes is multiplied by very many.
func TestConnIsSmall(t *testing.T) {
	if size := gateway.ConnSize; size > 384 {
		t.Errorf("%d bytes", size)
	}
}
