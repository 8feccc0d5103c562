//go:build !linux

package main

import (
	"context"
	"errors"
	"os/exec"
)

// errSystem is where nobody can be given a processor of his own.
var errSystem = errors.New("measuring needs Linux")

func cores() ([]int, error)                    { return nil, errSystem }
func startOn(cmd *exec.Cmd, cores []int) error { return errSystem }
func cpuTimeOf(int) (cpuTime, error)           { return cpuTime{}, errSystem }
func rssOf(int) (int64, error)                 { return 0, errSystem }
func machine() string                          { return "" }

func millionCommand(context.Context, []string) error { return errSystem }

func clusterCommand(context.Context, []string) error { return errSystem }
