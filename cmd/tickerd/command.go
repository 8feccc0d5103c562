package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"tickerd/auth"
)

// Exit statuses.
const (
	statusDone    = 0
	statusFailed  = 1
	statusMisused = 2
)

// A program is one run of tickerd, with what its process was given.
type program struct {
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
}

// commands is the command line.
type commands struct {
	Config configFile `placeholder:"FILE" help:"Read the settings from FILE instead of ./config.toml."`

	Serve serveCommand `cmd:"" default:"1" help:"Run the server; what tickerd does without a command."`
	Key   struct {
		Create keyCreateCommand `cmd:"" help:"Make an API key and print it, this once."`
		List   keyListCommand   `cmd:"" help:"List the API keys."`
		Revoke keyRevokeCommand `cmd:"" help:"Revoke an API key: its tokens end, its connections are closed."`
	} `cmd:"" help:"Make, list and revoke API keys."`
	Token    tokenCommand   `cmd:"" help:"Exchange an API key for a token and print it."`
	Watch    watchCommand   `cmd:"" help:"Show live prices until interrupted."`
	Record   recordCommand  `cmd:"" help:"Record live prices, to be replayed."`
	Bench    benchCommand   `cmd:"" help:"Measure how a server serves very many clients."`
	Standin  standinCommand `cmd:"" help:"Stand in for the exchanges, with prices that are made up."`
	Nodes    nodesCommand   `cmd:"" help:"Show the nodes of the cluster."`
	Ready    readyCommand   `cmd:"" help:"Tell whether the server on this machine can do its work."`
	Settings configCommand  `cmd:"" name:"config" help:"Print the settings in effect."`
	Version  versionCommand `cmd:"" help:"Print the version."`
}

// configFile is the path of the file to read settings from; empty: the default one.
type configFile string

const description = `Live crypto prices, fanned out over WebSocket.

Settings come from config.toml and from variables named TICKERD_<TABLE>_<KEY>, which win: ` +
	`TICKERD_SERVER_LISTEN=:9000 sets listen of the table [server]. "tickerd config" prints those in effect.`

// run carries out a command line and gives the exit status.
func (p *program) run(ctx context.Context, args []string) int {
	var line commands
	helped := false
	parser, err := kong.New(&line,
		kong.Name("tickerd"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(int) { helped = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(p, &line.Config),
	)
	if err != nil {
		return p.fail(err)
	}
	command, err := parser.Parse(args)
	switch {
	case helped:
		return statusDone
	case err != nil:
		if e, ok := errors.AsType[*kong.ParseError](err); ok {
			command = e.Context
		}
		return p.misuse(command, err)
	}
	err = command.Run()
	switch {
	case err == nil:
		return statusDone
	case errors.Is(err, auth.ErrKeyRefused), errors.Is(err, errNoKey): // flags that no parser knows to be wrong
		return p.misuse(command, err)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return p.fail(errInterrupted)
	default:
		return p.fail(err)
	}
}

// misuse says what is wrong with a command line, and where to read about it.
func (p *program) misuse(command *kong.Context, err error) int {
	p.fail(err)
	name := "tickerd"
	if command != nil && command.Selected() != nil {
		name = command.Selected().FullPath()
	}
	fmt.Fprintf(p.stderr, "Run \"%s --help\" to see how it is used.\n", name)
	return statusMisused
}

// fail says each line of err, unless the log has.
func (p *program) fail(err error) int {
	if !errors.Is(err, errLogged) {
		for line := range strings.Lines(err.Error()) {
			p.remark("%s", strings.TrimSuffix(line, "\n"))
		}
	}
	return statusFailed
}

// remark says something to the person at the terminal.
func (p *program) remark(format string, args ...any) {
	fmt.Fprintf(p.stderr, "tickerd: "+format+"\n", args...)
}

// How a command can end, besides in its own way.
var (
	errLogged      = errors.New("see the log") // which has said why
	errInterrupted = errors.New("interrupted")
)

// configCommand prints the settings in effect.
type configCommand struct{}

func (configCommand) Run(p *program, file *configFile) error {
	s, from, err := readSettings(string(*file), p.environ)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(showSettings(s, from))
	return err
}
