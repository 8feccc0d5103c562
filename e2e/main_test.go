// Package e2e_test runs tickerd as its users do: the real program in a process
// of its own, real sockets, the real page in a real browser.
//
// A test starts a [nodetest.Node], is its client over WebSocket and NATS and in a
// [browser], and waits for what must come; none waits for time to pass.
//
//	go test ./e2e                                        everything
//	go test ./e2e -run Page -v -artifacts -outputdir .   the page, and keep its pictures
//	go test ./e2e -run '^$' -bench . -benchtime 1x       the figures of the README
package e2e_test

import (
	"testing"

	"tickerd/e2e/nodetest"
)

func TestMain(m *testing.M) { nodetest.Main(m) }
