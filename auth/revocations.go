package auth

import (
	"context"
	"fmt"
	"slices"

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
		var there int64
		if err := tx.Model(&keyRow{}).Where("id = ?", id).Count(&there).Error; err != nil {
			return err
		}
		if there == 0 {
			return ErrUnknownKey
		}
		return s.revokeKey(tx, id)
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

func (s *Store) record(tx *gorm.DB, rev bus.Revocation) error {
	kind, id, err := subjectOf(rev)
	switch {
	case err != nil:
		return err
	case kind == kindKey:
		return s.revokeKey(tx, id)
	case kind == kindUser:
		return s.remember(tx, kind, id, revokedAt(rev, s.clock()))
	default:
		return s.remember(tx, kind, id, s.clock().Unix())
	}
}

func (s *Store) revokeKey(tx *gorm.DB, id string) error {
	now := s.clock().Unix()
	err := tx.Exec("UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", now, id).Error
	if err != nil {
		return err
	}
	return s.remember(tx, kindKey, id, now)
}

// remember keeps one revocation, the latest of its kind and id, and forgets those
// that count no more.
func (s *Store) remember(tx *gorm.DB, kind, id string, at int64) error {
	err := tx.Exec(`INSERT INTO revocations (kind, id, at) VALUES (?, ?, ?)
		ON CONFLICT (kind, id) DO UPDATE SET at = excluded.at WHERE excluded.at > revocations.at`, kind, id, at).Error
	if err != nil {
		return err
	}
	return s.forget(tx)
}

// forget removes the revocations that count no more.
func (s *Store) forget(tx *gorm.DB) error {
	return tx.Exec("DELETE FROM revocations WHERE at <= ?", s.clock().Add(-remembered).Unix()).Error
}

// Revocations gives what was revoked and still counts, those that come after last
// in its order: the zero value for the first page, then the last element of the
// page before, until a page is short of 5000. A demo key that this process does
// not admit is among the first.
func (s *Store) Revocations(ctx context.Context, last bus.Revocation) ([]bus.Revocation, error) {
	db, err := s.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("list revocations: %w", err)
	}
	revs := []bus.Revocation{}
	q := db.Order("kind, id").Limit(revocationsPage).Where("at > ?", s.clock().Add(-remembered).Unix())
	if kind, id, err := subjectOf(last); err == nil {
		q = q.Where("(kind, id) > (?, ?)", kind, id)
	} else if !s.demo.Load() {
		var demos []keyRow
		if err := db.Where("demo AND revoked_at IS NULL").Find(&demos).Error; err != nil {
			return nil, fmt.Errorf("list revocations: %w", err)
		}
		for _, row := range demos {
			revs = append(revs, bus.Revocation{KeyID: row.ID, At: s.clock().Unix()})
		}
	}
	var rows []revocationRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list revocations: %w", err)
	}
	revs = slices.Grow(revs, len(rows))
	for _, row := range rows {
		revs = append(revs, revocationOf(row.Kind, row.ID, row.At))
	}
	return revs, nil
}
