package e2e_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestGatewaySmall has a node that is nothing but a gateway take little memory, in
// whatever way it is on the bus: where many clients are, there are many of them.
func TestGatewaySmall(t *testing.T) {
	asUsed(t)
	const key, password = "0123456789abcdef0123456789abcdef", "correct-horse-battery-staple"
	leaves, one, other := unusedAddress(t), unusedAddress(t), unusedAddress(t)
	keeper := func(name string, settings ...string) *node {
		return launch(t, newDataDir(t), append(settings, "bus.node="+name, "auth.token_key="+key, "bus.operator_password="+password,
			"bus.cluster_password="+password, "bus.routes="+one+","+other)...)
	}
	hub := keeper("hub", "bus.cluster_listen="+one, "bus.leaf_listen="+leaves)
	keeper("spoke", "bus.cluster_listen="+other)
	<-hub.ready
	eventually(t, "a cluster", func() bool { return hub.unready(t) == "" })
	for name, way := range map[string][]string{
		"url":  {"bus.url=nats://operator:" + password + "@" + hub.bus},
		"leaf": {"bus.leaf_remotes=" + leaves, "bus.cluster_password=" + password},
		"routes": {
			"bus.cluster_listen=127.0.0.1:0", "bus.routes=" + one, "bus.cluster_password=" + password,
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := startOn(t, newDataDir(t), append(way, "bus.node="+name, "auth.token_key="+key, "auth.database=none",
				"pricefeed.source=none", "handler.workers=0", "server.admin_listen=", "bus.listen=")...)
			const limit = 25 << 10
			began := time.Now()
			eventually(t, "little memory", func() bool { return n.kib(t, "VmRSS") <= limit })
			t.Logf("after %v: %d KiB resident, of which %d are its own", time.Since(began).Round(time.Second), n.kib(t, "VmRSS"), n.kib(t, "RssAnon"))
		})
	}
}

// unusedAddress is one of the loopback where nobody listens.
func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// kib is a line of the process's status that is in KiB.
func (n *node) kib(t *testing.T, name string) (kib int) {
	t.Helper()
	status, err := os.ReadFile(n.proc("status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(status), "\n"+name+":")
	if _, err := fmt.Sscan(rest, &kib); err != nil || !found {
		t.Fatalf("%s in the status of the process: %v", name, err)
	}
	return kib
}
