package auth

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// outboxRow names what was written here and is not in the journal yet: the row of a key,
// or a revocation.
type outboxRow struct {
	Kind    string // kindKey, kindToken or kindUser
	ID      string
	Version int64 // grows when it is written anew
}

func (outboxRow) TableName() string { return "outbox" }

// withdrawnRow is an event that has no effect, whether or not it stands in the journal.
type withdrawnRow struct {
	ID    string // of the event
	KeyID string
	Put   bool // the journal says so
}

func (withdrawnRow) TableName() string { return "withdrawn" }

// outboxPage is how many rows are put into the journal at a time.
const outboxPage = 100

// post has the other nodes told of a row, when there are some.
func (s *Store) post(tx *gorm.DB, kind, id string) error {
	if s.shared {
		return nil
	}
	return tx.Exec(`INSERT INTO outbox (kind, id) VALUES (?, ?)
		ON CONFLICT (kind, id) DO UPDATE SET version = outbox.version + 1`, kind, id).Error
}

// postAll has them told of everything.
func (s *Store) postAll(tx *gorm.DB) error {
	for _, sql := range []string{
		"INSERT INTO outbox (kind, id) SELECT 'key', id FROM keys WHERE true ON CONFLICT DO NOTHING",
		"INSERT INTO outbox (kind, id) SELECT kind, id FROM revocations WHERE true ON CONFLICT DO NOTHING",
		"UPDATE withdrawn SET put = false",
	} {
		if err := tx.Exec(sql).Error; err != nil {
			return err
		}
	}
	return nil
}

// outbox gives some of what is to be told, none when that is all. Its events are named
// by what they say, so that of several nodes that tell the same it is kept once.
func (s *Store) outbox(ctx context.Context, node string) (rows []outboxRow, events []event, err error) {
	db, err := s.read(ctx)
	if err == nil {
		err = db.Order("kind, id").Limit(outboxPage).Find(&rows).Error
	}
	for _, row := range rows {
		if err == nil {
			var told []event
			told, err = tell(db, row, node)
			events = append(events, told...)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read outbox: %w", err)
	}
	return rows, events, nil
}

// tell makes events of a row that is to be told; none where it is gone.
func tell(db *gorm.DB, row outboxRow, node string) ([]event, error) {
	var events []event
	if row.Kind == kindKey {
		var key keyRow
		err := db.Where("id = ?", row.ID).Take(&key).Error
		switch {
		case err == nil:
			if key.Demo && key.Node == "" {
				key.Node = node
			}
			id := madeBy(key.ID)
			if key.RevokedAt != nil {
				id += fmt.Sprintf(".revoked.%d", *key.RevokedAt)
			}
			return []event{{ID: id, Key: key.journaled()}}, nil
		case !errors.Is(err, gorm.ErrRecordNotFound):
			return nil, err
		}
	}
	var kept []revocationRow
	if err := db.Where("kind = ? AND id = ?", row.Kind, row.ID).Find(&kept).Error; err != nil {
		return nil, err
	}
	for _, r := range kept {
		rev := revocationOf(r.Kind, r.ID, r.At)
		id := "revoked." + r.Kind + "." + r.ID
		if r.Kind == kindUser {
			id += fmt.Sprintf(".%d", r.At)
		}
		events = append(events, event{ID: id, Revocation: &rev})
	}
	return events, nil
}

// told takes rows out of the outbox, but for those that were written anew.
func (s *Store) told(ctx context.Context, rows []outboxRow) error {
	err := s.write(ctx, func(tx *gorm.DB) error {
		for _, row := range rows {
			if err := tx.Exec("DELETE FROM outbox WHERE kind = ? AND id = ? AND version = ?", row.Kind, row.ID, row.Version).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("clear outbox: %w", err)
	}
	return nil
}

// begin notes that an event is about to be put into the journal; unless settle is called
// for it, it will be withdrawn.
func (s *Store) begin(ctx context.Context, w withdrawal) error {
	err := s.write(ctx, func(tx *gorm.DB) error {
		return tx.Exec("INSERT INTO pending (id, key_id) VALUES (?, ?)", w.ID, w.KeyID).Error
	})
	if err != nil {
		return fmt.Errorf("begin %s: %w", w.ID, err)
	}
	return nil
}

// settle notes that an event is in the journal for good.
func (s *Store) settle(ctx context.Context, w withdrawal) error {
	err := s.write(ctx, func(tx *gorm.DB) error { return tx.Exec("DELETE FROM pending WHERE id = ?", w.ID).Error })
	if err != nil {
		return fmt.Errorf("settle %s: %w", w.ID, err)
	}
	return nil
}

// withdraw has an event come to nothing, whatever becomes of it.
func (s *Store) withdraw(ctx context.Context, w withdrawal) error {
	if err := s.write(ctx, func(tx *gorm.DB) error { return s.unsettle(tx, w) }); err != nil {
		return fmt.Errorf("withdraw %s: %w", w.ID, err)
	}
	return nil
}

// withdrawPending withdraws all events that were begun and not settled, by a process that
// is no more.
func (s *Store) withdrawPending(ctx context.Context) error {
	err := s.write(ctx, func(tx *gorm.DB) error {
		var pending []withdrawal
		if err := tx.Raw("SELECT id, key_id FROM pending").Scan(&pending).Error; err != nil {
			return err
		}
		for _, w := range pending {
			if err := s.unsettle(tx, w); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("withdraw what was under way: %w", err)
	}
	return nil
}

// unsettle turns an event that was begun into one that is withdrawn.
func (s *Store) unsettle(tx *gorm.DB, w withdrawal) error {
	if err := tx.Exec("DELETE FROM pending WHERE id = ?", w.ID).Error; err != nil {
		return err
	}
	return s.withhold(tx, w, false)
}

// withdrawals are those of which the other nodes are still to be told.
func (s *Store) withdrawals(ctx context.Context) ([]withdrawal, error) {
	db, err := s.read(ctx)
	var rows []withdrawnRow
	if err == nil {
		err = db.Where("NOT put").Find(&rows).Error
	}
	if err != nil {
		return nil, fmt.Errorf("read withdrawals: %w", err)
	}
	list := make([]withdrawal, len(rows))
	for i, row := range rows {
		list[i] = withdrawal{ID: row.ID, KeyID: row.KeyID}
	}
	return list, nil
}
