package auth

import (
	"errors"

	"github.com/go-gormigrate/gormigrate/v2"
	"gorm.io/gorm"
)

// migrate brings the schema up to date, in one transaction: of two processes that
// start on an empty file one makes the tables, and the other finds them. (The
// library's own transaction passes over a failure to begin.)
func migrate(db *gorm.DB) error {
	err := db.Transaction(func(tx *gorm.DB) error {
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
