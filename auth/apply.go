package auth

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"tickerd/bus"
)

// A position is how far the journal has been applied to the database.
type position struct {
	Stream int64 // when the stream was made, in nanoseconds: it tells one from another
	Seq    int64 // the last event that has been applied
}

// An entry is an event with its place in the journal.
type entry struct {
	event
	seq uint64
}

// changes are what a part of the journal has done to the database.
type changes struct {
	revoked  []bus.Revocation // which may have been revoked before
	restored []string         // keys, revoked and then not
	demos    []string         // keys that are new
}

// position reads it. In a stream that is not the one that was applied so far, it is the
// beginning; and all that the database has is to be told, for the stream may have lost it.
func (s *Store) position(ctx context.Context, stream int64) (position, error) {
	var at []position
	err := s.write(ctx, func(tx *gorm.DB) error {
		if err := tx.Raw("SELECT stream, seq FROM journal").Scan(&at).Error; err != nil {
			return err
		}
		if len(at) == 1 && at[0].Stream == stream {
			return nil
		}
		known := len(at) > 0
		at = []position{{Stream: stream}}
		for _, sql := range []string{"DELETE FROM journal", fmt.Sprintf("INSERT INTO journal (stream, seq) VALUES (%d, 0)", stream)} {
			if err := tx.Exec(sql).Error; err != nil {
				return err
			}
		}
		if !known {
			return nil // the outbox has it all
		}
		return s.postAll(tx)
	})
	if err != nil {
		return position{}, fmt.Errorf("read position in the journal: %w", err)
	}
	return at[0], nil
}

// apply does what entries say, in order, and notes how far that is: all or nothing.
func (s *Store) apply(ctx context.Context, entries []entry) (done changes, err error) {
	err = s.write(ctx, func(tx *gorm.DB) error {
		done = changes{}
		for _, e := range entries {
			if err := s.applyOne(tx, e.event, &done); err != nil {
				return err
			}
		}
		return tx.Exec("UPDATE journal SET seq = ?", entries[len(entries)-1].seq).Error
	})
	if err != nil {
		return changes{}, fmt.Errorf("apply journal: %w", err)
	}
	return done, nil
}

func (s *Store) applyOne(tx *gorm.DB, e event, done *changes) error {
	if e.Withdrawn != nil {
		return s.applyWithdrawal(tx, *e.Withdrawn, done)
	}
	var withdrawn int64
	if err := tx.Model(&withdrawnRow{}).Where("id = ?", e.ID).Count(&withdrawn).Error; err != nil || withdrawn > 0 {
		return err
	}
	switch {
	case e.Key != nil:
		return s.applyKey(tx, e, done)
	case e.Revocation != nil:
		return s.applyRevocation(tx, e, done)
	}
	return nil
}

// applyKey adds a key. One that is known already is revoked if it is so anywhere.
func (s *Store) applyKey(tx *gorm.DB, e event, done *changes) error {
	row := e.Key.row()
	made := tx.Exec(`INSERT INTO keys (id, hash, prefix, user_id, role, symbols, demo, node, created_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		row.ID, row.Hash, row.Prefix, row.UserID, row.Role, row.Symbols, row.Demo, row.Node, row.CreatedAt, row.ExpiresAt)
	switch {
	case made.Error != nil:
		return made.Error
	case e.Key.RevokedAt != nil:
		done.revoked = append(done.revoked, bus.Revocation{KeyID: row.ID, At: *e.Key.RevokedAt})
		return s.revokeBy(tx, row.ID, *e.Key.RevokedAt, e.ID)
	case row.Demo && made.RowsAffected > 0:
		done.demos = append(done.demos, row.ID)
	}
	return nil
}

func (s *Store) applyRevocation(tx *gorm.DB, e event, done *changes) error {
	kind, id, err := subjectOf(*e.Revocation)
	if err != nil {
		return err
	}
	done.revoked = append(done.revoked, *e.Revocation)
	if kind == kindKey {
		return s.revokeBy(tx, id, e.Revocation.At, e.ID)
	}
	_, err = s.remember(tx, kind, id, e.Revocation.At)
	return err
}

// revokeBy ends a key by an event. It notes every one that does, for the key is ended
// until the last of them is withdrawn. A key that is not here is remembered too.
func (s *Store) revokeBy(tx *gorm.DB, id string, at int64, event string) error {
	row, err := findKey(tx, id)
	if err != nil {
		return err
	}
	by := row.revokers()
	switch byHand := row.RevokedAt != nil && len(by) == 0; {
	case row.ID == "", byHand, slices.Contains(by, event):
	default:
		err = tx.Exec("UPDATE keys SET revoked_at = COALESCE(revoked_at, ?), revoked_by = ? WHERE id = ?",
			at, joinRevokers(append(by, event)), id).Error
		if err != nil {
			return err
		}
	}
	_, err = s.remember(tx, kindKey, id, at)
	return err
}

// applyWithdrawal undoes what an event has done, if it has, and keeps it from being done.
func (s *Store) applyWithdrawal(tx *gorm.DB, w withdrawal, done *changes) error {
	if err := s.withhold(tx, w, true); err != nil {
		return err
	}
	restored, err := s.undo(tx, w)
	if err != nil || !restored {
		return err
	}
	done.revoked = slices.DeleteFunc(done.revoked, func(rev bus.Revocation) bool { return rev.KeyID == w.KeyID })
	done.restored = append(done.restored, w.KeyID)
	return nil
}

// withhold keeps an event from being applied. It notes whether the journal says so too.
func (s *Store) withhold(tx *gorm.DB, w withdrawal, put bool) error {
	return tx.Exec(`INSERT INTO withdrawn (id, key_id, put) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET put = excluded.put`, w.ID, w.KeyID, put).Error
}

// undo undoes an event. A key that it made is gone: nobody was told of it. A key that it
// revoked, and nothing else has, is restored.
func (s *Store) undo(tx *gorm.DB, w withdrawal) (restored bool, err error) {
	if w.ID == madeBy(w.KeyID) {
		return false, tx.Exec("DELETE FROM keys WHERE id = ?", w.KeyID).Error
	}
	row, err := findKey(tx, w.KeyID)
	if err != nil || !slices.Contains(row.revokers(), w.ID) {
		return false, err
	}
	others := slices.DeleteFunc(row.revokers(), func(id string) bool { return id == w.ID })
	if len(others) > 0 {
		return false, tx.Exec("UPDATE keys SET revoked_by = ? WHERE id = ?", joinRevokers(others), w.KeyID).Error
	}
	if err := tx.Exec("UPDATE keys SET revoked_at = NULL, revoked_by = '' WHERE id = ?", w.KeyID).Error; err != nil {
		return false, err
	}
	return true, tx.Exec("DELETE FROM revocations WHERE kind = ? AND id = ?", kindKey, w.KeyID).Error
}

// madeBy names the event that makes a key.
func madeBy(keyID string) string { return "key." + keyID }
