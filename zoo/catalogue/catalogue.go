// Package catalogue is an index of a store by which people search it: a SQLite database beside the program, with FTS5 for words.
// It holds nothing that is not in the store, so it may be deleted at any time, and several servers on one store each keep their
// own, or share one on one machine.
//
// Refresh compares the index with the store and reads what is new: published versions never change, so a list of their names is
// all that has to be compared. Records about objects are looked for less often. Search answers from the index alone: words are
// looked up in SQLite, once each; facets and orders come from a few columns of each object that are kept in memory (columns), and
// that Refresh loads anew.
package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite": no cgo, so the program stays one static file

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/attestation"
)

// layout is the version of the tables. An index of another is made anew.
const layout = 4

// recountAfter is the age at which records about objects are looked for again.
const recountAfter = 30 * time.Second

// Options make a Catalogue. Store is needed.
type Options struct {
	Store zoo.Store
	// Path is the file of the index; if empty, it is a temporary one.
	Path string
	// Unreadable, if set, is told of versions that are listed by their name alone, or left out until they can be read.
	Unreadable func(name, version string, err error)
	// Trust is whose signatures count; nil is nobody's. What is counted is kept in the index, so that another Trust needs another.
	Trust *attestation.Trust
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Catalogue is an index of a store. It is safe for concurrent use.
type Catalogue struct {
	store      zoo.Store
	unreadable func(name, version string, err error)
	trust      *attestation.Trust
	now        func() time.Time
	db         *sql.DB
	temporary  string

	refreshing sync.Mutex
	counted    time.Time    // when records were looked for
	unread     atomic.Int64 // versions that Refresh has yet to read

	loading sync.Mutex
	columns atomic.Pointer[columns] // of the generation that was loaded last
}

// Item is a version of a name.
type Item struct {
	Name, Version string
	Entry         zoo.Entry
	Document      []byte // closure.json or dataset.json, unchecked; empty where it cannot be read
	Size          int64  // of all of its blobs, bytes
	Problem       string // why its documents cannot be read, if so
	Records       int64  // verification records about it that nobody has signed
	Signed        int64  // trusted keys that vouch for it
	Withdrawn     string // the reason, if it was
	WithdrawnAt   string // when, in RFC 3339

	id int64
}

// Open opens the index of a store, or makes an empty one; Refresh fills it. An index that is damaged, or of another release, is
// thrown away.
func Open(ctx context.Context, o Options) (*Catalogue, error) {
	c := &Catalogue{store: o.Store, unreadable: o.Unreadable, trust: o.Trust, now: o.Now}
	if c.unreadable == nil {
		c.unreadable = func(string, string, error) {}
	}
	if c.now == nil {
		c.now = time.Now
	}
	path := o.Path
	if path == "" {
		dir, err := os.MkdirTemp("", "reprise-catalogue-")
		if err != nil {
			return nil, err
		}
		c.temporary, path = dir, filepath.Join(dir, "index.sqlite")
	} else if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	err := c.open(ctx, path)
	if err != nil && ctx.Err() == nil {
		if err = remove(path); err == nil {
			err = c.open(ctx, path)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("index %s: %w", path, err), c.Close())
	}
	return c, nil
}

func remove(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close ends the use of the index.
func (c *Catalogue) Close() error {
	var err error
	if c.db != nil {
		err = c.db.Close()
	}
	if c.temporary != "" {
		err = errors.Join(err, os.RemoveAll(c.temporary))
	}
	return err
}

func (c *Catalogue) open(ctx context.Context, path string) error {
	pragmas := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(wal)", "synchronous(normal)", "foreign_keys(on)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: pragmas.Encode()}).String())
	if err != nil {
		return err
	}
	if err := prepare(ctx, db); err != nil {
		return errors.Join(err, db.Close())
	}
	c.db = db
	return nil
}

// errLayout is an index of another release.
var errLayout = errors.New("its layout is that of another release")

func prepare(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version != 0 && version != layout {
		return errLayout
	}
	_, err := db.ExecContext(ctx, tables)
	return err
}

// tables of the index. Texts of objects that are not the latest of their name are not searched. Identifiers are never used again, and
// what is long comes last in a row, since SQLite reads a row up to the last column that is asked for.
var tables = fmt.Sprintf(`
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS object (
	id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, version TEXT NOT NULL, latest INTEGER NOT NULL DEFAULT 0,
	stamp TEXT NOT NULL, kind TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, records INTEGER NOT NULL DEFAULT 0, signed INTEGER NOT NULL DEFAULT 0,
	abi INTEGER NOT NULL, created INTEGER NOT NULL, correct INTEGER NOT NULL, total INTEGER NOT NULL,
	task TEXT NOT NULL, license TEXT NOT NULL, architecture TEXT NOT NULL, datasets TEXT NOT NULL, problem TEXT NOT NULL,
	withdrawn TEXT NOT NULL DEFAULT '', withdrawn_at TEXT NOT NULL DEFAULT '', entry TEXT NOT NULL,
	title TEXT NOT NULL, keywords TEXT NOT NULL, description TEXT NOT NULL, document BLOB,
	UNIQUE (name, version));
CREATE INDEX IF NOT EXISTS object_digest ON object (digest);
CREATE TABLE IF NOT EXISTS link (
	object INTEGER NOT NULL REFERENCES object ON DELETE CASCADE, kind TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (object, kind, digest));
CREATE INDEX IF NOT EXISTS link_digest ON link (digest, kind);
CREATE TABLE IF NOT EXISTS marker (subject TEXT NOT NULL, referrer TEXT NOT NULL, PRIMARY KEY (subject, referrer));
CREATE TABLE IF NOT EXISTS generation (number INTEGER NOT NULL);
INSERT INTO generation SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM generation);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
	name, title, keywords, task, datasets, description,
	content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 2", prefix='1 2 3');
CREATE VIRTUAL TABLE IF NOT EXISTS parts USING fts5 (
	text, content='', contentless_delete=1, tokenize="trigram");
PRAGMA user_version = %d;
COMMIT;`, layout)

// Kinds of links.
const (
	linkDataset = "dataset"
	linkParent  = "parent"
)

const itemColumns = "id, name, version, entry, coalesce(document, ''), size, problem, records, signed, withdrawn, withdrawn_at"

func (c *Catalogue) items(ctx context.Context, where string, args ...any) ([]Item, error) {
	rows, err := c.db.QueryContext(ctx, "SELECT "+itemColumns+" FROM object "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []Item
	for rows.Next() {
		var i Item
		var entry []byte
		if err := rows.Scan(&i.id, &i.Name, &i.Version, &entry, &i.Document, &i.Size, &i.Problem, &i.Records, &i.Signed, &i.Withdrawn, &i.WithdrawnAt); err != nil {
			return nil, err
		}
		if i.Entry, err = zoo.DecodeEntry("index", entry); err != nil {
			return nil, err
		}
		items = append(items, i)
	}
	return items, rows.Err()
}

// Versions lists the versions of a name that the index has, the highest first.
func (c *Catalogue) Versions(ctx context.Context, name string) ([]Item, error) {
	items, err := c.items(ctx, "WHERE name = ?", name)
	sortVersions(items)
	return items, err
}

// Object returns the highest version that is this object, or false.
func (c *Catalogue) Object(ctx context.Context, d schema.Digest) (Item, bool, error) {
	items, err := c.items(ctx, "WHERE digest = ?", d.String())
	if err != nil || len(items) == 0 {
		return Item{}, false, err
	}
	sortVersions(items)
	return items[0], true, nil
}

// Children lists the closures that name this one as a parent, by name.
func (c *Catalogue) Children(ctx context.Context, d schema.Digest) ([]Item, error) {
	return c.linked(ctx, linkParent, d)
}

// Users lists the closures that refer to a dataset, by name.
func (c *Catalogue) Users(ctx context.Context, d schema.Digest) ([]Item, error) {
	return c.linked(ctx, linkDataset, d)
}

func (c *Catalogue) linked(ctx context.Context, kind string, d schema.Digest) ([]Item, error) {
	return c.items(ctx, "WHERE id IN (SELECT object FROM link WHERE kind = ? AND digest = ?) ORDER BY name, id", kind, d.String())
}
