package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

const (
	// postgresDialect is what gorm calls PostgreSQL.
	postgresDialect = "postgres"

	// postgresTimeout bounds the tries at the start, and postgresTry each of them.
	postgresTimeout = 30 * time.Second
	postgresTry     = 5 * time.Second
	postgresPause   = 500 * time.Millisecond

	// postgresConns is how many connections a node has at most.
	postgresConns = 10
	// postgresIdle is how long an unused one is kept.
	postgresIdle = 5 * time.Minute
)

// openPostgres connects to the database at address, trying for half a minute, and brings
// its schema up to date. Every error names the host, and none the password.
func openPostgres(ctx context.Context, address string, log *slog.Logger) (*gorm.DB, error) {
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, errors.New("open database: not an address of a PostgreSQL database") // the reason may hold the password
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = postgresTry
	}
	host := fmt.Sprintf("%s:%d", cfg.Host, cfg.Port)
	deadline := time.Now().Add(postgresTimeout)
	for tries := 0; ; tries++ {
		db, err := tryPostgres(ctx, cfg, log)
		switch {
		case err == nil:
			return db, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("open database at %s: %w", host, ctx.Err())
		case errors.Is(err, ErrNewerSchema), time.Now().After(deadline):
			return nil, fmt.Errorf("open database at %s: %w", host, err)
		case tries == 0:
			log.Warn("the database does not answer, trying on", "host", host, "for", postgresTimeout, "err", err)
		}
		_ = pause(ctx, postgresPause) // the next try tells that ctx has ended
	}
}

// tryPostgres is one try.
func tryPostgres(ctx context.Context, cfg *pgx.ConnConfig, log *slog.Logger) (_ *gorm.DB, err error) {
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	pool.SetConnMaxIdleTime(postgresIdle)
	defer func() {
		if err != nil {
			pool.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, postgresTimeout)
	defer cancel()
	if err := pool.PingContext(ctx); err != nil {
		return nil, err
	}
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: pool}), &gorm.Config{
		Logger:                 queryLog{log},
		SkipDefaultTransaction: true, // one statement is one already
	})
	if err != nil {
		return nil, err
	}
	return db, migrate(db.WithContext(ctx))
}
