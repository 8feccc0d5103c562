package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRaised(t *testing.T) {
	for _, tt := range []struct {
		least      []uint64
		text, want string
	}{
		{[]uint64{10}, "20\n", ""},
		{[]uint64{10}, "9\n", "10"},
		{[]uint64{1, 2, 300}, "5\t6\t7\n", "5 6 300"},
		{[]uint64{1, 2, 3}, "5\t6\t7\n", ""},
	} {
		if got, err := (kernelLimit{"a.b", tt.least}).raised(tt.text); got != tt.want || err != nil {
			t.Errorf("%v of %q: got %q, %v", tt.least, tt.text, got, err)
		}
	}
	for _, text := range []string{"", "1 2", "x"} {
		if _, err := (kernelLimit{"a.b", []uint64{1}}).raised(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// What was raised is put back.
func TestRaiseInVain(t *testing.T) {
	restore, err := raise([]kernelLimit{{"no.such.limit", []uint64{1}}, {"fs.file-max", []uint64{1}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := restore(); err != nil {
		t.Error(err)
	}
	if got := nameOf(filepath.Join("/proc/sys", "net/ipv4/tcp_mem")); got != "net.ipv4.tcp_mem" {
		t.Errorf("got %s", got)
	}
}

func TestMemoryNow(t *testing.T) {
	m, err := memoryNow()
	if err != nil || m.available < 1<<20 || m.slab < 1<<20 || m.tcp < 0 {
		t.Errorf("got %+v, %v", m, err)
	}
	if n, err := loopbackBytes(); err != nil || n < 0 {
		t.Errorf("got %d, %v", n, err)
	}
	u, err := usageOf(os.Getpid())
	if err != nil || u.rss < u.anon || u.anon < 1<<20 {
		t.Errorf("got %+v, %v", u, err)
	}
}

func TestOpenedOf(t *testing.T) {
	for line, want := range map[string]int{
		"connecting 1,234/18,000":                   1234,
		"waiting for first snapshots 7/8, 1 failed": 7,
		"waiting to begin 18,000/18,000":            18_000,
		"":                                          0,
	} {
		if got := openedOf(line); got != want {
			t.Errorf("%q: got %d", line, got)
		}
	}
}

func TestMemberLog(t *testing.T) {
	m := &member{name: "a", said: map[string]bool{}}
	m.read(strings.NewReader(`{"level":"INFO","msg":"demo key, to sign in with","api_key":"tk_1"}
{"level":"ERROR","msg":"bus"}
panic: no
{"level":"INFO","msg":"ready"}
`))
	if !m.has("ready") || m.has("steady") || m.key != "tk_1" || len(m.trouble) != 2 || !strings.HasPrefix(m.troubles().Error(), "a: ") {
		t.Errorf("got %+v", m)
	}
}

func TestGatewaysOfMillion(t *testing.T) {
	m := million{conns: 1_000_000, perHerd: 18_500, perGateway: 18_000}
	if m.herds() != 55 || m.gateways() != 55 || m.address(1) == m.address(0) {
		t.Errorf("own ports: %d clients', %d gateways, %s", m.herds(), m.gateways(), m.address(1))
	}
	m.onePort = true
	if m.gateways() != 56 || m.address(1) != m.address(0) {
		t.Errorf("one port: %d gateways, %s", m.gateways(), m.address(1))
	}
}
