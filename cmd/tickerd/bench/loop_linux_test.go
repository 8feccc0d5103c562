package bench

import (
	"testing"
	"unsafe"
)

// A connection that has nothing half received takes this and no more.
func TestSizeOfConnection(t *testing.T) {
	if size := unsafe.Sizeof(client{}) + unsafe.Sizeof(sock{}); size > 100 {
		t.Errorf("%d bytes", size)
	}
}
