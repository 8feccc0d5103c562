package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	driver "github.com/glebarez/go-sqlite"
	"github.com/glebarez/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// cannotOpen is SQLITE_CANTOPEN.
const cannotOpen = 14

// openSQLite opens the file at path, which it makes if need be, and brings its
// schema up to date. Every error names the file.
func openSQLite(ctx context.Context, path string, log *slog.Logger) (_ *gorm.DB, err error) {
	defer func() {
		if e := (*driver.Error)(nil); errors.As(err, &e) && e.Code() == cannotOpen {
			err = errors.New("no access to the file") // the driver says "out of memory"
		}
		if err != nil {
			err = fmt.Errorf("open database %s: %w", path, err)
		}
	}()
	if err := touch(path); err != nil {
		return nil, err
	}
	db, err := gorm.Open(sqlite.Open(dsn(path)), &gorm.Config{
		Logger:                 queryLog{log},
		SkipDefaultTransaction: true, // one statement is one already
	})
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	conns := runtime.GOMAXPROCS(0) + 2 // one of them may write
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	defer func() {
		if err != nil {
			pool.Close()
		}
	}()
	if err := check(db.WithContext(ctx)); err != nil {
		return nil, err
	}
	if err := migrate(db.WithContext(ctx)); err != nil {
		return nil, err
	}
	return db, nil
}

// touch makes the file, for its owner only; SQLite gives the files beside it the
// same mode. One that is there is not opened: to close it again would let go of
// the locks that this process may hold on it.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return cause(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return cause(err)
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	return nil
}

// cause is err without the operation and path that it repeats.
func cause(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// dsn is path with what every connection sets: a write-ahead log, so that the
// command line writes while the server reads; a commit is on the disk when it
// returns, for a revocation must not be lost; and a transaction waits for the
// writer of another process at its start, where waiting is safe.
func dsn(path string) string {
	options := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
		"_txlock": {"immediate"},
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options.Encode()
}

// presence gives a check that path is still the file that was opened. SQLite goes
// on with one that was removed, and nobody would ever see what it writes there.
func presence(path string) (check func() error, err error) {
	opened, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, cause(err))
	}
	return func() error {
		now, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("database %s: %w", path, cause(err))
		}
		if !os.SameFile(opened, now) {
			return fmt.Errorf("database %s: the file was replaced", path)
		}
		return nil
	}, nil
}

// check finds a damaged file at the start instead of at some exchange.
func check(db *gorm.DB) error {
	var verdict string
	if err := db.Raw("PRAGMA quick_check(1)").Scan(&verdict).Error; err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("the file is damaged: %s", strings.Join(strings.Fields(verdict), " "))
	}
	return nil
}

// queryLog is gorm's log on ours. Statements are logged without their values, and
// failures not at all: they are returned.
type queryLog struct{ log *slog.Logger }

const slowQuery = time.Second

func (l queryLog) LogMode(logger.LogLevel) logger.Interface { return l }

func (l queryLog) Info(ctx context.Context, msg string, args ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(msg, args...))
}

func (l queryLog) Warn(ctx context.Context, msg string, args ...any) {
	l.log.WarnContext(ctx, fmt.Sprintf(msg, args...))
}

func (l queryLog) Error(ctx context.Context, msg string, args ...any) {
	l.log.ErrorContext(ctx, fmt.Sprintf(msg, args...))
}

func (l queryLog) Trace(ctx context.Context, begin time.Time, query func() (string, int64), err error) {
	took := time.Since(begin)
	level := slog.LevelDebug
	if took >= slowQuery {
		level = slog.LevelWarn
	}
	if !l.log.Enabled(ctx, level) {
		return
	}
	sql, rows := query()
	l.log.Log(ctx, level, "query", "sql", sql, "rows", rows, "took", took, "err", err)
}

// ParamsFilter keeps values, hashes among them, out of what Trace is given.
func (l queryLog) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) {
	return sql, nil
}
