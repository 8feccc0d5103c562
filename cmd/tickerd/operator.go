package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"tickerd/bus"
)

// errNoNode is a data directory on which no node runs.
var errNoNode = errors.New("no node runs on the data directory")

// dialNode connects to the node that runs on the data directory, as its operator, or to
// the NATS system that the settings name. Where no node runs it is errNoNode.
func (p *program) dialNode(s settings) (*bus.Conn, error) {
	const name = "command line"
	log := p.quietLog(s)
	if s.Bus.URL != "" {
		return bus.Dial(s.Bus, name, log)
	}
	socket := filepath.Join(s.DataDir, socketFile)
	if !bus.NodeRuns(socket) {
		return nil, fmt.Errorf("%w %s", errNoNode, s.DataDir)
	}
	password := s.Bus.OperatorPassword
	if password == "" {
		var err error
		if password, err = readSecret(filepath.Join(s.DataDir, operatorPasswordFile), minPassword, log); err != nil {
			return nil, err
		}
	}
	near := !s.Bus.IsAlone() && s.Auth.HasDatabase() // it answers for keys, and so do others
	conn, err := bus.DialLocal(socket, password, name, near, log)
	if err != nil {
		return nil, fmt.Errorf("the node that runs on %s does not let its operator in: %w", s.DataDir, err)
	}
	return conn, nil
}

// quietLog is what a command logs: what goes wrong.
func (p *program) quietLog(s settings) *slog.Logger {
	return newLog(logConfig{Format: s.Log.Format, Level: "warn"}, p.stderr)
}
