package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"tickerd/bus"
	"tickerd/ticker"
)

const (
	idLength        = 12 // of a key's id: 60 bits, enough to be unique
	revocationsPage = 5000
	keysPage        = 1000
	// usedEvery is how fresh a key's last_used_at is kept.
	usedEvery = time.Minute
)

// DemoUser is the demo key's owner, in the role RoleUser.
const DemoUser = "demo"

// Store keeps the keys, by their hashes, and what was revoked, in a database that
// several processes may have open. It is safe for concurrent use.
type Store struct {
	db      *gorm.DB
	shared  bool         // by nodes: what is written here is known to all
	present func() error // whether the file, if it is one, is still there
	clock   func() time.Time

	// writer is held by transactions that write, as many as the database lets write at
	// once, so that the others wait here, in order, and not on connections that readers
	// need.
	writer chan struct{}

	// demo admits demo keys; EnsureDemo sets it.
	demo atomic.Bool

	mu            sync.Mutex
	used          map[string]int64 // key id → when, not yet written
	usedElsewhere map[string]int64 // the same, as other nodes tell
}

// keyRow is a row of the table keys. Times are unix seconds.
type keyRow struct {
	ID         string
	Hash       string
	Prefix     string
	UserID     string
	Role       string
	Symbols    string // patterns separated by commas; empty: no limit
	Demo       bool
	Node       string // whose demo key it is
	CreatedAt  int64  `gorm:"autoCreateTime:false"`
	ExpiresAt  *int64
	RevokedAt  *int64
	RevokedBy  string // the events that did, one a line; empty: by hand, or not revoked
	LastUsedAt *int64
}

func (keyRow) TableName() string { return "keys" }

func (r keyRow) patterns() []string {
	if r.Symbols == "" {
		return nil
	}
	return strings.Split(r.Symbols, ",")
}

// revokers are the events that have revoked it; none where a hand has.
func (r keyRow) revokers() []string {
	if r.RevokedBy == "" {
		return nil
	}
	return strings.Split(r.RevokedBy, revokerEnd)
}

// joinRevokers is the inverse of keyRow.revokers.
func joinRevokers(events []string) string { return strings.Join(events, revokerEnd) }

// revokerEnd is in the id of no event.
const revokerEnd = "\n"

// findKey is the row of a key, of nothing where there is none.
func findKey(tx *gorm.DB, id string) (row keyRow, err error) {
	err = tx.Where("id = ?", id).Limit(1).Find(&row).Error
	return row, err
}

func (r keyRow) info() Info {
	symbols := r.patterns()
	if symbols == nil {
		symbols = []string{ticker.Everything}
	}
	return Info{
		ID: r.ID, Prefix: r.Prefix, UserID: r.UserID, Role: r.Role, Symbols: symbols,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, RevokedAt: r.RevokedAt, LastUsedAt: r.LastUsedAt,
	}
}

// Open opens the database that the settings name: by default the SQLite file at path,
// which it makes if need be, readable for its owner only. A file that is damaged, of a
// newer tickerd (ErrNewerSchema), or that cannot be written is an error that names it.
// A PostgreSQL database is tried for half a minute; its errors name the host.
func Open(ctx context.Context, cfg Config, path string, log *slog.Logger) (*Store, error) {
	s := &Store{clock: time.Now, used: make(map[string]int64), usedElsewhere: make(map[string]int64)}
	var err error
	switch {
	case cfg.isShared():
		s.shared, s.present, path = true, func() error { return nil }, "of several nodes"
		s.writer = make(chan struct{}, postgresConns/2)
		s.db, err = openPostgres(ctx, cfg.Database, log)
	case cfg.HasDatabase():
		s.writer = make(chan struct{}, 1)
		s.db, err = openSQLite(ctx, path, log)
	default:
		return nil, errors.New(`open database: the settings say "none"`)
	}
	if err != nil {
		return nil, err
	}
	if !s.shared {
		if s.present, err = presence(path); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	// The first write is made now, for it tells whether the database can be written.
	if err := s.write(ctx, s.forget); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), s.Close())
	}
	return s, nil
}

// read gives what to read with.
func (s *Store) read(ctx context.Context) (*gorm.DB, error) {
	if err := s.present(); err != nil {
		return nil, err
	}
	return s.db.WithContext(ctx), nil
}

// write runs f in a transaction.
func (s *Store) write(ctx context.Context, f func(tx *gorm.DB) error) error {
	if err := s.present(); err != nil {
		return err
	}
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.db.WithContext(ctx).Transaction(f)
}

// Close closes the database. What is asked of the store after that fails.
func (s *Store) Close() error {
	pool, err := s.db.DB()
	if err != nil {
		return err
	}
	return pool.Close()
}

// Ready reports whether the store answers.
func (s *Store) Ready(ctx context.Context) error {
	db, err := s.read(ctx)
	if err != nil {
		return err
	}
	var one int
	if err := db.Raw("SELECT 1 FROM migrations LIMIT 1").Scan(&one).Error; err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// Create makes a key: see [Keys].
func (s *Store) Create(ctx context.Context, k NewKey) (Key, Info, error) {
	key := RandomKey()
	info, err := s.add(ctx, key.Hash(), key.Prefix(), k)
	if err != nil {
		return "", Info{}, err
	}
	return key, info, nil
}

// add stores a key of which only the hash is known here.
func (s *Store) add(ctx context.Context, hash, prefix string, k NewKey) (Info, error) {
	k, err := k.checked()
	if err != nil {
		return Info{}, err
	}
	row := s.row(hash, prefix, k)
	if err := s.write(ctx, func(tx *gorm.DB) error { return s.insert(tx, &row) }); err != nil {
		return Info{}, fmt.Errorf("store key: %w", err)
	}
	return row.info(), nil
}

// unused is ErrKeyRefused where there is a key of that hash.
func (s *Store) unused(ctx context.Context, hash string) error {
	db, err := s.read(ctx)
	if err != nil {
		return err
	}
	var there int64
	if err := db.Model(&keyRow{}).Where("hash = ?", hash).Count(&there).Error; err != nil {
		return err
	}
	if there > 0 {
		return fmt.Errorf("%w: there is one of that hash", ErrKeyRefused)
	}
	return nil
}

// insert adds a key that was made here.
func (s *Store) insert(tx *gorm.DB, row *keyRow) error {
	if err := tx.Create(row).Error; err != nil {
		return err
	}
	return s.post(tx, kindKey, row.ID)
}

func (s *Store) row(hash, prefix string, k NewKey) keyRow {
	row := keyRow{
		ID:        strings.ToLower(rand.Text()[:idLength]),
		Hash:      hash,
		Prefix:    prefix,
		UserID:    k.User,
		Role:      k.Role,
		Symbols:   strings.Join(k.Symbols, ","),
		CreatedAt: s.clock().Unix(),
	}
	if k.Expires > 0 {
		row.ExpiresAt = new(row.CreatedAt + int64(k.Expires/time.Second))
	}
	return row
}

// List gives all keys: see [Keys].
func (s *Store) List(ctx context.Context) ([]Info, error) {
	return allPages(func(last *Info) ([]Info, error) { return s.list(ctx, last) })
}

// list gives the keys that come after last, at most keysPage of them.
func (s *Store) list(ctx context.Context, last *Info) ([]Info, error) {
	db, err := s.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	q := db.Order("created_at, id").Limit(keysPage)
	if last != nil {
		q = q.Where("(created_at, id) > (?, ?)", last.CreatedAt, last.ID)
	}
	var rows []keyRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	infos := make([]Info, len(rows))
	for i, row := range rows {
		infos[i] = row.info()
	}
	return infos, nil
}

// allPages puts a list of keys together.
func allPages(after func(last *Info) ([]Info, error)) ([]Info, error) {
	all := []Info{}
	var last *Info
	for {
		page, err := after(last)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < keysPage {
			return all, nil
		}
		last = &page[len(page)-1]
	}
}

// Exchange tells who holds the key of that hash; whoever asks fills in the
// policies. An unknown key, a revoked and an expired one are refused alike, after
// the same query.
func (s *Store) Exchange(ctx context.Context, hash string) bus.ExchangeResult {
	who, err := s.exchange(ctx, hash)
	if err != nil {
		return bus.ExchangeResult{Error: bus.ExchangeUnavailable}
	}
	return who
}

func (s *Store) exchange(ctx context.Context, hash string) (bus.ExchangeResult, error) {
	if !isText(hash) {
		hash = "" // nobody's, too
	}
	db, err := s.read(ctx)
	if err != nil {
		return bus.ExchangeResult{}, fmt.Errorf("exchange key: %w", err)
	}
	// The join gives one row for an unknown key, too: one of nothing. (Find instead of
	// Scan, which would log the hash.)
	var row keyRow
	err = db.Raw(`SELECT keys.* FROM (SELECT ? AS hash) AS asked
		LEFT JOIN keys ON keys.hash = asked.hash`, hash).Find(&row).Error
	if err != nil {
		return bus.ExchangeResult{}, fmt.Errorf("exchange key: %w", err)
	}
	now := s.clock().Unix()
	who := bus.ExchangeResult{KeyID: row.ID, UserID: row.UserID, Role: row.Role, Allowed: row.patterns()}
	if row.ExpiresAt != nil {
		who.ExpiresAt = *row.ExpiresAt
	}
	unknown, revoked, over := row.ID == "", row.RevokedAt != nil, row.ExpiresAt != nil && *row.ExpiresAt <= now
	if unknown || revoked || over || row.Demo && !s.demo.Load() {
		return bus.ExchangeResult{Error: bus.ExchangeInvalid}, nil
	}
	if row.LastUsedAt == nil || now-*row.LastUsedAt >= int64(usedEvery/time.Second) {
		s.mu.Lock()
		s.used[row.ID] = now
		s.mu.Unlock()
	}
	return who, nil
}

// WriteUsed writes when keys were last exchanged, of which Exchange takes note
// once a minute, and gives what it has written of this node's own. What cannot be
// written is dropped: the next exchange notes it again.
func (s *Store) WriteUsed(ctx context.Context) (own map[string]int64, err error) {
	s.mu.Lock()
	own, others := s.used, s.usedElsewhere
	s.used, s.usedElsewhere = make(map[string]int64), make(map[string]int64)
	s.mu.Unlock()
	if len(own) == 0 && len(others) == 0 {
		return nil, nil
	}
	err = s.write(ctx, func(tx *gorm.DB) error {
		for _, used := range []map[string]int64{own, others} {
			// In one order for all who write at once, so that none waits for another that
			// waits for it.
			for _, id := range slices.Sorted(maps.Keys(used)) {
				at := used[id]
				err := tx.Exec("UPDATE keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)", at, id, at).Error
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("write last use of keys: %w", err)
	}
	return own, nil
}

// noteUsed takes note of when keys were exchanged on another node.
func (s *Store) noteUsed(used map[string]int64) {
	latest := s.clock().Add(leeway).Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range used {
		if isID(id) && at <= latest {
			s.usedElsewhere[id] = max(s.usedElsewhere[id], at)
		}
	}
}

// EnsureDemo admits key as the demo key of this process, which is that node, and stores
// it if it is new; a demo key that the node had before is revoked. One that has been revoked stays
// so, which the result tells. Unless it is called, demo keys are refused, and
// their tokens count as revoked.
func (s *Store) EnsureDemo(ctx context.Context, node string, key Key) (Info, error) {
	if !key.wellFormed() {
		return Info{}, fmt.Errorf("demo key: %w", ErrKeyMalformed)
	}
	var row keyRow
	err := s.write(ctx, func(tx *gorm.DB) error {
		if err := s.revokeOtherDemos(tx, node, key.Hash()); err != nil {
			return err
		}
		err := tx.Where("hash = ?", key.Hash()).Take(&row).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			row = s.row(key.Hash(), key.Prefix(), NewKey{User: DemoUser, Role: RoleUser})
			row.Demo, row.Node = true, node
			err = s.insert(tx, &row)
		}
		if err == nil && row.Demo && row.Node == "" { // made before nodes had names here
			row.Node = node
			err = tx.Exec("UPDATE keys SET node = ? WHERE id = ?", node, row.ID).Error
		}
		if err == nil && !row.Demo {
			err = fmt.Errorf("%v is the key %s of %s", key, row.ID, row.UserID)
		}
		return err
	})
	if err != nil {
		return Info{}, fmt.Errorf("demo key: %w", err)
	}
	s.demo.Store(true)
	return row.info(), nil
}

// revokeOtherDemos revokes the former demo keys of the node, and none of another's.
func (s *Store) revokeOtherDemos(tx *gorm.DB, node, hash string) error {
	var others []string
	err := tx.Model(&keyRow{}).Where("demo AND revoked_at IS NULL AND hash <> ? AND node IN ('', ?)", hash, node).Pluck("id", &others).Error
	for _, id := range others {
		if err == nil {
			err = s.revokeKey(tx, id, s.clock().Unix())
		}
	}
	return err
}
