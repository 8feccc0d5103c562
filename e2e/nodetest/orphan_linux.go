package nodetest

import (
	"os/exec"
	"syscall"
)

// leaveNoOrphan has the process killed when the tests are, however they end.
func leaveNoOrphan(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
