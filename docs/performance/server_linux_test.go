package main

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// A floor that a test starts is this program again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "floor" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// ourselves starts floors with this program, on cores that it gives.
func ourselves(t *testing.T) (b *binaries, two []int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if two, err = cores(); err != nil {
		t.Skip(err)
	}
	return &binaries{self: self}, two
}

// A floor is ready when start returns, says where it is, and is gone when it was
// stopped.
func TestStart(t *testing.T) {
	b, two := ourselves(t)
	for _, server := range []string{serverLog, serverBare, serverUpgrade} {
		p, err := b.start(t.Context(), server, load{}, two[:1])
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post("http://"+p.addr+"/auth/token", "application/json", strings.NewReader(`{"api_key":"`+p.key+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || p.key == "" {
			t.Errorf("%s: status %d with key %q", server, resp.StatusCode, p.key)
		}
		p.stop()
		if err := syscall.Kill(p.pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s: still there: %v", server, err)
		}
	}
}

func TestStartFails(t *testing.T) {
	b, two := ourselves(t)
	if p, err := b.start(t.Context(), "none", load{}, two); err == nil {
		p.stop()
		t.Error("a floor that is none is ready")
	}
}
