package loop_test

import (
	"io"
	"os"
	"testing"
	"time"
)

// TestDescriptorsAreGivenBack holds that connections which come and go, whoever ends
// them, leave no descriptor behind.
func TestDescriptorsAreGivenBack(t *testing.T) {
	pool := newPool(t)
	comeAndGo := func(i int) {
		client, server := connect(t)
		p := add(t, pool, server, nil)
		switch i % 3 {
		case 0:
			p.do(p.close)
		case 1:
			if err := client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			p.until("Lost", func() bool { return len(p.errs) > 0 })
			p.do(p.close)
		case 2:
			if err := client.SetLinger(0); err != nil {
				t.Fatal(err)
			}
			if err := client.Close(); err != nil {
				t.Fatal(err)
			}
			p.until("Lost", func() bool { return len(p.errs) > 0 })
			p.do(p.close)
			return
		}
		if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
			t.Fatalf("the client got %q, %v", got, err)
		}
		_ = client.Close()
	}
	for i := range 10 {
		comeAndGo(i) // what the loops need themselves is there from now on
	}
	before := descriptors(t)
	for i := range 2000 {
		comeAndGo(i)
	}
	// A socket may be closed a little after its connection.
	for deadline := time.Now().Add(patience); ; {
		left := descriptors(t) - before
		if left <= 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors are left", left)
		}
		comeAndGo(0)
	}
}

// descriptors is how many the process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
