package e2e_test

import (
	"testing"
	"time"

	"tickerd/bus/bustest"
	"tickerd/e2e/nodetest"
)

// TestGatewaySmall has a node that is nothing but a gateway take little memory, in
// whatever way it is on the bus: where many clients are, there are many of them.
func TestGatewaySmall(t *testing.T) {
	nodetest.AsUsed(t)
	const key, password = "0123456789abcdef0123456789abcdef", "correct-horse-battery-staple"
	leaves, one, other := bustest.FreeAddress(t), bustest.FreeAddress(t), bustest.FreeAddress(t)
	keeper := func(name string, settings ...string) *nodetest.Node {
		return nodetest.Launch(t, "", nodetest.NewDataDir(t), append(settings, "bus.node="+name, "auth.token_key="+key, "bus.operator_password="+password,
			"bus.cluster_password="+password, "bus.routes="+one+","+other)...)
	}
	hub := keeper("hub", "bus.cluster_listen="+one, "bus.leaf_listen="+leaves)
	keeper("spoke", "bus.cluster_listen="+other)
	hub.AwaitStart(t)
	nodetest.Eventually(t, "a cluster", func() bool { return hub.Unready(t) == "" })
	for name, way := range map[string][]string{
		"url":  {"bus.url=nats://operator:" + password + "@" + hub.Bus},
		"leaf": {"bus.leaf_remotes=" + leaves, "bus.cluster_password=" + password},
		"routes": {
			"bus.cluster_listen=127.0.0.1:0", "bus.routes=" + one, "bus.cluster_password=" + password,
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := nodetest.StartOn(t, nodetest.NewDataDir(t), append(way, "bus.node="+name, "auth.token_key="+key, "auth.database=none",
				"pricefeed.source=none", "handler.workers=0", "server.admin_listen=", "bus.listen=")...)
			const limit = 25 << 10
			began := time.Now()
			nodetest.Eventually(t, "little memory", func() bool { return n.KiB(t, "VmRSS") <= limit })
			t.Logf("after %v: %d KiB resident, of which %d are its own", time.Since(began).Round(time.Second), n.KiB(t, "VmRSS"), n.KiB(t, "RssAnon"))
		})
	}
}
