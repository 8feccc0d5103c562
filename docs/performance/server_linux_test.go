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

// A floor is ready when start returns, says where it is, and is gone when it was
// stopped.
func TestStart(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	two, err := cores()
	if err != nil {
		t.Skip(err)
	}
	b := &binaries{self: self}
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
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	two, err := cores()
	if err != nil {
		t.Skip(err)
	}
	if p, err := (&binaries{self: self}).start(t.Context(), "none", load{}, two); err == nil {
		p.stop()
		t.Error("a floor that is none is ready")
	}
}
