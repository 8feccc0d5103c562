package auth

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tickerd/bus"
)

// revocationRow is a row of the table revocations.
type revocationRow struct {
	Kind string
	ID   string
	At   int64
}

func (revocationRow) TableName() string { return "revocations" }

// Revoke ends a key: see [Keys].
func (s *Store) Revoke(ctx context.Context, id string) error {
	err := s.write(ctx, func(tx *gorm.DB) error {
		if err := known(tx, id); err != nil {
			return err
		}
		return s.revokeKey(tx, id, s.clock().Unix())
	})
	if err != nil {
		return fmt.Errorf("revoke key %s: %w", clip(id), err)
	}
	return nil
}

// Record stores revocations that came over the bus, all or none; to store one
// again is no error. A key that is not here is remembered too: another service's
// tokens may name it.
func (s *Store) Record(ctx context.Context, revs ...bus.Revocation) error {
	err := s.write(ctx, func(tx *gorm.DB) error {
		for _, rev := range revs {
			if err := s.record(tx, rev); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store revocation: %w", err)
	}
	return nil
}

// known is ErrUnknownKey where there is no key of that id.
func known(tx *gorm.DB, id string) error {
	var there int64
	if err := tx.Model(&keyRow{}).Where("id = ?", id).Count(&there).Error; err != nil {
		return err
	}
	if there == 0 {
		return ErrUnknownKey
	}
	return nil
}

// known is ErrUnknownKey where there is no key of that id.
func (s *Store) known(ctx context.Context, id string) error {
	db, err := s.read(ctx)
	if err != nil {
		return err
	}
	return known(db, id)
}

func (s *Store) record(tx *gorm.DB, rev bus.Revocation) error {
	kind, id, err := subjectOf(rev)
	switch {
	case err != nil:
		return err
	case kind == kindKey:
		return s.revokeKey(tx, id, s.clock().Unix())
	case kind == kindUser:
		return s.revoke(tx, kind, id, revokedAt(rev, s.clock()))
	default:
		return s.revoke(tx, kind, id, s.clock().Unix())
	}
}

// revokeKey ends a key by hand, for good: no withdrawal gives it back.
func (s *Store) revokeKey(tx *gorm.DB, id string, at int64) error {
	err := tx.Exec("UPDATE keys SET revoked_at = COALESCE(revoked_at, ?), revoked_by = '' WHERE id = ?", at, id).Error
	if err != nil {
		return err
	}
	return s.revoke(tx, kindKey, id, at)
}

// revoke remembers a revocation of which the other nodes may not know.
func (s *Store) revoke(tx *gorm.DB, kind, id string, at int64) error {
	news, err := s.remember(tx, kind, id, at)
	if err != nil || !news {
		return err
	}
	return s.post(tx, kind, id)
}

// remember keeps one revocation, the latest of its kind and id, and forgets those
// that count no more. It reports whether the revocation was news: that a token or key
// is revoked once more is none, within an hour.
func (s *Store) remember(tx *gorm.DB, kind, id string, at int64) (news bool, err error) {
	slack := int64(sweepEvery / time.Second)
	if kind == kindUser {
		slack = 0
	}
	kept := tx.Exec(`INSERT INTO revocations (kind, id, at) VALUES (?, ?, ?)
		ON CONFLICT (kind, id) DO UPDATE SET at = excluded.at WHERE excluded.at > revocations.at + ?`, kind, id, at, slack)
	if kept.Error != nil {
		return false, kept.Error
	}
	return kept.RowsAffected > 0, s.forget(tx)
}

// forget removes the revocations that count no more, and need not be told either.
func (s *Store) forget(tx *gorm.DB) error {
	over := s.clock().Add(-remembered).Unix()
	err := tx.Exec(`DELETE FROM outbox WHERE (kind, id) IN (SELECT kind, id FROM revocations WHERE at <= ?)
		AND NOT (kind = ? AND id IN (SELECT id FROM keys))`, over, kindKey).Error
	if err != nil {
		return err
	}
	return tx.Exec("DELETE FROM revocations WHERE at <= ?", over).Error
}

// Revocations gives what was revoked and still counts, those that come after last
// in its order: the zero value for the first page, then the last element of the
// page before, until a page is short of 5000. A demo key that this process does
// not admit is among the first.
func (s *Store) Revocations(ctx context.Context, last bus.Revocation) ([]bus.Revocation, error) {
	revs := []bus.Revocation{}
	if _, _, err := subjectOf(last); err != nil {
		if revs, err = s.refusedDemos(ctx); err != nil {
			return nil, err
		}
	}
	page, err := s.revocations(ctx, last)
	return append(revs, page...), err
}

// refusedDemos are the demo keys that this process does not admit.
func (s *Store) refusedDemos(ctx context.Context) ([]bus.Revocation, error) {
	revs := []bus.Revocation{}
	if s.demo.Load() {
		return revs, nil
	}
	db, err := s.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("list demo keys: %w", err)
	}
	var demos []string
	if err := db.Model(&keyRow{}).Where("demo AND revoked_at IS NULL").Pluck("id", &demos).Error; err != nil {
		return nil, fmt.Errorf("list demo keys: %w", err)
	}
	for _, id := range demos {
		revs = append(revs, bus.Revocation{KeyID: id, At: s.clock().Unix()})
	}
	return revs, nil
}

// revocations is Revocations, as they are for all nodes.
func (s *Store) revocations(ctx context.Context, last bus.Revocation) ([]bus.Revocation, error) {
	db, err := s.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("list revocations: %w", err)
	}
	q := db.Order("kind, id").Limit(revocationsPage).Where("at > ?", s.clock().Add(-remembered).Unix())
	if kind, id, err := subjectOf(last); err == nil {
		q = q.Where("(kind, id) > (?, ?)", kind, id)
	}
	var rows []revocationRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list revocations: %w", err)
	}
	revs := make([]bus.Revocation, len(rows))
	for i, row := range rows {
		revs[i] = revocationOf(row.Kind, row.ID, row.At)
	}
	return revs, nil
}
