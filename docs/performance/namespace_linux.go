package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// insideVariable says that a process runs in a network of its own already.
const insideVariable = "TICKERD_PERFORMANCE_INSIDE"

// inside runs f in a network of its own, in which there is a loopback and nothing else:
// no port is taken there, no rule of a firewall counts connections, what goes over the
// loopback is ours, and settings of the network end with it. This program is started
// again there, with the same arguments; outside, before is called first, and what it
// gives last.
func inside(ctx context.Context, before func() (after func() error, err error), f func() error) (err error) {
	if os.Getenv(insideVariable) != "" {
		if err := raiseLoopback(); err != nil {
			return err
		}
		return f()
	}
	after, err := before()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, after()) }()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("make a network of its own, which only root may: %w", err)
	}
	if cmd.Wait() != nil {
		return errInside
	}
	return nil
}

// errInside is told after the process inside has said what it is.
var errInside = errors.New("ended early")

// raiseLoopback begins the network.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}
