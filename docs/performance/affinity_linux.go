package main

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// cores are two processors that this process may use, one for the server and one
// for the clients.
func cores() (list []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("processors: %w", err)
	}
	for cpu := 0; cpu < len(set)*64 && len(list) < 2; cpu++ {
		if set.IsSet(cpu) {
			list = append(list, cpu)
		}
	}
	if len(list) < 2 {
		return nil, errors.New("there is one processor only; server and clients need two")
	}
	return list, nil
}

// startOn starts a command that may use some processors only.
func startOn(cmd *exec.Cmd, cores []int) (err error) {
	runtime.LockOSThread() // a process inherits the processors of the thread that starts it
	defer runtime.UnlockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("processors: %w", err)
	}
	for _, cpu := range cores {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("processors %v: %w", cores, err)
	}
	defer func() { err = errors.Join(err, unix.SchedSetaffinity(0, &before)) }()
	return cmd.Start()
}
