package nodetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Network carries out one command of iproute2. What it reads is "1".
func Network(command string) error {
	words := strings.Fields(command)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin = strings.NewReader("1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return nil
}

// Enter moves the calling thread, which is to be locked, to a network namespace; "" is
// where it is.
func Enter(namespace string) error {
	if namespace == "" {
		return nil
	}
	file, err := os.Open(filepath.Join("/run/netns", namespace))
	if err != nil {
		return err
	}
	defer file.Close()
	return os.NewSyscallError("setns", unix.Setns(int(file.Fd()), unix.CLONE_NEWNET))
}
