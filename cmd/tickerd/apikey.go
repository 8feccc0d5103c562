package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"tickerd/auth"
	"tickerd/bus"
)

// keyTimeout bounds a command about keys. In a cluster an election may
// have to be waited for.
const keyTimeout = 30 * time.Second

// keyCreateCommand makes an API key.
type keyCreateCommand struct {
	User    string        `required:"" placeholder:"USER" help:"Whose key it is: letters, digits and any of _ . @ + -."`
	Role    string        `default:"user" placeholder:"ROLE" help:"What it allows: user, admin, or a role that your policies name; ${default} if left out."`
	Symbols []string      `placeholder:"PATTERN" help:"Limit it to symbols such as BTC-USD or BTC-*; every symbol if left out."`
	Expires time.Duration `placeholder:"DURATION" help:"How long it lives, as in 720h; until it is revoked if left out."`
}

// Run prints the key alone on standard output.
func (c keyCreateCommand) Run(ctx context.Context, p *program, file *configFile) error {
	return p.withKeys(ctx, file, func(ctx context.Context, s settings, keys auth.Keys) error {
		key, info, err := keys.Create(ctx, auth.NewKey{User: c.User, Role: c.Role, Symbols: c.Symbols, Expires: c.Expires})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(p.stdout, key.Reveal()); err != nil {
			return fmt.Errorf("the key %s is made and cannot be shown: %w", info.ID, err)
		}
		p.remark("this is the key %s of %s, shown this once", info.ID, info.UserID)
		if auth.NewPolicies(s.Auth.Policies).Of(info.Role) == nil {
			p.remark("no policy is for the role %s: the key allows nothing", info.Role)
		}
		return nil
	})
}

// keyListCommand lists the keys, never the keys themselves.
type keyListCommand struct {
	JSON bool `name:"json" help:"Print a JSON array; times are unix seconds."`
}

func (c keyListCommand) Run(ctx context.Context, p *program, file *configFile) error {
	return p.withKeys(ctx, file, func(ctx context.Context, _ settings, keys auth.Keys) error {
		list, err := keys.List(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(p.stdout, append([]auth.Info{}, list...)) // an empty list is [], not null
		}
		return printKeys(p.stdout, list)
	})
}

func printKeys(w io.Writer, list []auth.Info) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tKEY\tUSER\tROLE\tSYMBOLS\tCREATED\tEXPIRES\tREVOKED\tLAST USED")
	for _, k := range list {
		fmt.Fprintf(t, "%s\t%s…\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Prefix, k.UserID, k.Role, strings.Join(k.Symbols, ","),
			clock(&k.CreatedAt), clock(k.ExpiresAt), clock(k.RevokedAt), clock(k.LastUsedAt))
	}
	return t.Flush()
}

// clock is a time to the minute, "-" where there is none.
func clock(unix *int64) string {
	if unix == nil {
		return "-"
	}
	return time.Unix(*unix, 0).UTC().Format("2006-01-02T15:04Z")
}

// keyRevokeCommand ends a key.
type keyRevokeCommand struct {
	ID string `arg:"" help:"The key's id, as \"tickerd key list\" shows it."`
}

func (c keyRevokeCommand) Run(ctx context.Context, p *program, file *configFile) error {
	return p.withKeys(ctx, file, func(ctx context.Context, _ settings, keys auth.Keys) error {
		return keys.Revoke(ctx, c.ID)
	})
}

// keyUse is what a command does with the keys. It does nothing else unless that
// succeeds.
type keyUse func(context.Context, settings, auth.Keys) error

// withKeys lets use have the keys: those of the node that runs on the data
// directory, or else, while no node can start, those in the database itself.
func (p *program) withKeys(ctx context.Context, file *configFile, use keyUse) error {
	s, _, err := readSettings(string(*file), p.environ)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	if err := p.askNode(ctx, s, use); !errors.Is(err, errNoNode) {
		return err
	}
	dir, err := openDataDir(ctx, s.DataDir)
	if errors.Is(err, errInUse) {
		if err := p.askNode(ctx, s, use); !errors.Is(err, errNoNode) {
			return err // it was just starting
		}
	}
	if err != nil {
		return err
	}
	log := p.quietLog(s)
	defer closing(log, "data directory", dir.Close)
	if !s.Auth.HasDatabase() {
		return errors.New("no node runs here that could be asked, and auth.database is \"none\": other nodes keep the keys")
	}
	store, err := auth.Open(ctx, s.Auth, dir.file(databaseFile), log)
	if err != nil {
		return err
	}
	return errors.Join(use(ctx, s, store), store.Close())
}

// askNode lets use have the keys of the running node, or is errNoNode.
func (p *program) askNode(ctx context.Context, s settings, use keyUse) error {
	conn, err := p.dialNode(s)
	if err != nil {
		return err
	}
	defer conn.Close()
	for began := time.Now(); ; {
		err := use(ctx, s, auth.NewRemote(conn))
		switch {
		case !errors.Is(err, bus.ErrNoResponders):
			return err
		case s.Bus.URL != "":
			return errNoNode
		case time.Since(began) > lockWait: // a node that is starting answers within it
			return fmt.Errorf("the node that runs on %s does not answer for keys", s.DataDir)
		}
		select {
		case <-time.After(lockWait / 20):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
