package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// asTickerd is the variable that makes the test's binary be tickerd.
const asTickerd = "TEST_AS_TICKERD"

func TestMain(m *testing.M) {
	if os.Getenv(asTickerd) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// result is what a command line came to.
type result struct {
	status         int
	stdout, stderr string
}

// call runs a command line in this process.
func call(ctx context.Context, environ []string, stdin string, args ...string) result {
	var stdout, stderr strings.Builder
	p := program{environ, strings.NewReader(stdin), &stdout, &stderr}
	status := p.run(ctx, args)
	return result{status, stdout.String(), stderr.String()}
}
