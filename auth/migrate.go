package auth

import (
	"errors"

	"github.com/go-gormigrate/gormigrate/v2"
	"gorm.io/gorm"
)

// migrate brings the schema up to date, in one transaction: of two processes that
// start on an empty database one makes the tables, and the other finds them. (The
// library's own transaction passes over a failure to begin.)
func migrate(db *gorm.DB) error {
	err := db.Transaction(func(tx *gorm.DB) error {
		if tx.Name() == postgresDialect { // SQLite has one writer anyhow
			if err := tx.Exec("SELECT pg_advisory_xact_lock(?)", migrationLock).Error; err != nil {
				return err
			}
		}
		return gormigrate.New(tx, &gormigrate.Options{
			TableName:                 "migrations",
			IDColumnName:              "id",
			IDColumnSize:              64,
			ValidateUnknownMigrations: true,
		}, migrations()).Migrate()
	})
	if errors.Is(err, gormigrate.ErrUnknownPastMigration) {
		return ErrNewerSchema
	}
	return err
}

// migrationLock is what processes that share a PostgreSQL database agree on: "tickerd".
const migrationLock = 0x7469636b657264

// migrations are the schema's history, in SQL that SQLite and PostgreSQL share.
// One that was released is never changed: a new one is added at the end.
func migrations() []*gormigrate.Migration {
	return []*gormigrate.Migration{
		statements("0001_keys",
			`CREATE TABLE keys (
				id           TEXT    PRIMARY KEY,
				hash         TEXT    NOT NULL UNIQUE,
				prefix       TEXT    NOT NULL,
				user_id      TEXT    NOT NULL,
				role         TEXT    NOT NULL,
				symbols      TEXT    NOT NULL,
				demo         BOOLEAN NOT NULL,
				created_at   BIGINT  NOT NULL,
				expires_at   BIGINT,
				revoked_at   BIGINT,
				last_used_at BIGINT
			)`,
			`CREATE INDEX keys_created_at ON keys (created_at, id)`,
		),
		statements("0002_revocations",
			`CREATE TABLE revocations (
				kind TEXT   NOT NULL,
				id   TEXT   NOT NULL,
				at   BIGINT NOT NULL,
				PRIMARY KEY (kind, id)
			)`,
			`CREATE INDEX revocations_at ON revocations (at)`,
		),
		statements("0003_journal",
			`ALTER TABLE keys ADD COLUMN node TEXT NOT NULL DEFAULT ''`,
			`ALTER TABLE keys ADD COLUMN revoked_by TEXT NOT NULL DEFAULT ''`,
			`CREATE TABLE journal (
				stream BIGINT NOT NULL,
				seq    BIGINT NOT NULL
			)`,
			`CREATE TABLE outbox (
				kind    TEXT   NOT NULL,
				id      TEXT   NOT NULL,
				version BIGINT NOT NULL DEFAULT 1,
				PRIMARY KEY (kind, id)
			)`,
			`INSERT INTO outbox (kind, id) SELECT 'key', id FROM keys`,
			`INSERT INTO outbox (kind, id) SELECT kind, id FROM revocations WHERE kind <> 'key' OR id NOT IN (SELECT id FROM keys)`,
			`CREATE TABLE pending (
				id     TEXT PRIMARY KEY,
				key_id TEXT NOT NULL
			)`,
			`CREATE TABLE withdrawn (
				id     TEXT    PRIMARY KEY,
				key_id TEXT    NOT NULL,
				put    BOOLEAN NOT NULL
			)`,
		),
	}
}

// statements is a migration that executes them in order.
func statements(id string, list ...string) *gormigrate.Migration {
	return &gormigrate.Migration{ID: id, Migrate: func(tx *gorm.DB) error {
		for _, sql := range list {
			if err := tx.Exec(sql).Error; err != nil {
				return err
			}
		}
		return nil
	}}
}
