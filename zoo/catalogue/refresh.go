package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// readers read documents at the same time: enough to hide a disk, or a network.
const readers = 16

// seenAfter says how much is read before searches see it: an eighth of what they see already, since all of that is loaded again.
const seenAfter = 8

// batch is how many objects are entered in one transaction, so that an interrupted Refresh has not read them for nothing.
const batch = 500

// Refresh makes the index what the store is now, and reports whether anything has changed. Objects whose documents are damaged or
// invalid are entered by their name alone, and looked at again later. It returns the error of a store that cannot be listed.
func (c *Catalogue) Refresh(ctx context.Context) (changed bool, err error) {
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	listed, err := c.list(ctx)
	if err != nil {
		return false, err
	}
	cols, err := c.load(ctx)
	if err != nil {
		return false, err
	}
	recount := c.now().Sub(c.counted) >= recountAfter
	var fresh []zoo.StampedVersion
	for v, stamp := range listed {
		if known, ok := cols.known[v]; !ok || known.stamp != stamp || known.problem && recount {
			fresh = append(fresh, zoo.StampedVersion{NamedVersion: v, Stamp: stamp})
		}
	}
	var gone []int64
	for v, known := range cols.known {
		if _, ok := listed[v]; !ok {
			gone = append(gone, known.id)
		}
	}
	slices.SortFunc(fresh, func(a, b zoo.StampedVersion) int {
		return strings.Compare(a.Name+":"+a.Version, b.Name+":"+b.Version)
	})
	if len(gone) > 0 {
		changed = true
		if err := c.drop(ctx, gone); err != nil {
			return changed, err
		}
	}
	c.unread.Store(int64(len(fresh)))
	defer c.unread.Store(0)
	unseen := 0
	for part := range slices.Chunk(fresh, batch) {
		entered, err := c.enter(ctx, part)
		changed = changed || entered
		if err != nil {
			return changed, err
		}
		if unseen += len(part); unseen*seenAfter >= len(cols.known) {
			if cols, err = c.load(ctx); err != nil {
				return changed, err
			}
			unseen = 0
		}
		c.unread.Add(-int64(len(part)))
	}
	if recount || changed {
		counted, err := c.recount(ctx)
		changed = changed || counted
		if err != nil {
			return changed, err
		}
		c.counted = c.now()
	}
	_, err = c.load(ctx)
	return changed, err
}

// Unread is how many versions a Refresh that is going on has found and not yet entered.
func (c *Catalogue) Unread() int { return int(c.unread.Load()) }

// list lists the versions in the store, and their stamps.
func (c *Catalogue) list(ctx context.Context) (map[zoo.NamedVersion]string, error) {
	listed := map[zoo.NamedVersion]string{}
	if scanner, ok := c.store.(zoo.Scanner); ok {
		for v, err := range scanner.ScanVersions(ctx) {
			if err != nil {
				return nil, err
			}
			listed[v.NamedVersion] = v.Stamp
		}
		return listed, nil
	}
	names, err := c.store.Names(ctx)
	if err != nil {
		return nil, err
	}
	found := make([][]string, len(names))
	err = parallel(ctx, len(names), func(ctx context.Context, i int) (err error) {
		found[i], err = c.store.Versions(ctx, names[i])
		return err
	})
	for i, versions := range found {
		for _, version := range versions {
			listed[zoo.NamedVersion{Name: names[i], Version: version}] = ""
		}
	}
	return listed, err
}

func parallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i := range n {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error { return do(inner, i) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// found is what was read of a version.
type found struct {
	zoo.StampedVersion
	entry   zoo.Entry
	problem string
	description
}

// enter reads versions and enters them.
func (c *Catalogue) enter(ctx context.Context, versions []zoo.StampedVersion) (bool, error) {
	read := make([]*found, len(versions))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, v := range versions {
		group.Go(func() error {
			read[i] = c.read(inner, v)
			return inner.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return false, err
	}
	return c.change(ctx, func(tx *sql.Tx) (bool, error) {
		names := map[string]bool{}
		for _, f := range read {
			if f == nil {
				continue
			}
			inserted, err := insert(ctx, tx, f)
			if err != nil {
				return false, err
			}
			if inserted {
				names[f.Name] = true
			}
		}
		return len(names) > 0, elect(ctx, tx, names)
	})
}

// read reads a version. What is neither a closure nor a dataset is entered too, and found by nobody. A version that cannot be
// read now is nil, and tried again.
func (c *Catalogue) read(ctx context.Context, v zoo.StampedVersion) *found {
	f := &found{StampedVersion: v}
	var err error
	if f.entry, err = c.store.Version(ctx, v.Name, v.Version); err == nil {
		if f.entry.ArtifactType != schema.MediaTypeClosure && f.entry.ArtifactType != schema.MediaTypeDataset {
			return f
		}
		f.description, err = describe(ctx, zoo.BlobsOf(c.store, v.Name), f.entry)
	}
	if err == nil {
		return f
	}
	if ctx.Err() == nil {
		c.unreadable(v.Name, v.Version, err)
	}
	if f.entry.Digest.IsZero() || !errors.As(err, new(*schema.Invalid)) && !errors.As(err, new(*schema.Damaged)) {
		return nil
	}
	f.description, f.problem = description{}, err.Error()
	return f
}

// insert enters a version, unless another process has.
func insert(ctx context.Context, tx *sql.Tx, f *found) (bool, error) {
	var id int64
	var problem, digest, stamp string
	err := tx.QueryRowContext(ctx, "SELECT id, problem, digest, stamp FROM object WHERE name = ? AND version = ?", f.Name, f.Version).Scan(&id, &problem, &digest, &stamp)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return false, err
	case problem == f.problem && digest == f.entry.Digest.String():
		_, err := tx.ExecContext(ctx, "UPDATE object SET stamp = ? WHERE id = ?", f.Stamp, id)
		return stamp != f.Stamp, err
	default: // it was damaged, and has been repaired, or is damaged otherwise; or the store is another one than it was
		if err := forget(ctx, tx, id); err != nil {
			return false, err
		}
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO object (name, version, stamp, kind, digest, entry, document, size, problem,
		abi, created, correct, total, task, license, architecture, datasets, title, keywords, description)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		f.Name, f.Version, f.Stamp, zoo.Kind(f.entry.ArtifactType), f.entry.Digest.String(), f.entry.Encode(), f.document, f.size, f.problem,
		f.abi, f.created, f.correct, f.total, f.task, f.license, f.architecture, strings.Join(f.datasets, " "), f.title, f.keywords, f.details)
	if err != nil {
		return false, err
	}
	if id, err = result.LastInsertId(); err != nil {
		return false, err
	}
	for _, l := range f.links {
		if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO link VALUES (?, ?, ?)", id, l.kind, l.digest.String()); err != nil {
			return false, err
		}
	}
	return true, nil
}

// elect finds out what the names mean by themselves, and makes the words of that, and of nothing else, be found.
func elect(ctx context.Context, tx *sql.Tx, names map[string]bool) error {
	for name := range names {
		before, versions, err := versionsIn(ctx, tx, name)
		if err != nil {
			return err
		}
		after := versions[zoo.Latest(keysOf(versions))]
		if before == after {
			continue
		}
		for _, statement := range []struct {
			sql string
			id  int64
		}{
			{"DELETE FROM words WHERE rowid = ?", before},
			{"DELETE FROM parts WHERE rowid = ?", before},
			{"UPDATE object SET latest = 0 WHERE id = ?", before},
			{"UPDATE object SET latest = 1 WHERE id = ?", after},
			{`INSERT INTO words (rowid, name, title, keywords, task, datasets, description)
				SELECT id, name, title, keywords, task, datasets, description FROM object WHERE id = ?`, after},
			{`INSERT INTO parts (rowid, text) SELECT id, name || ' ' || title || ' ' || keywords || ' ' || task || ' ' || datasets || ' ' || description
				FROM object WHERE id = ?`, after},
		} {
			if statement.id == 0 {
				continue
			}
			if _, err := tx.ExecContext(ctx, statement.sql, statement.id); err != nil {
				return err
			}
		}
	}
	return nil
}

func keysOf(versions map[string]int64) []string {
	var list []string
	for v := range versions {
		list = append(list, v)
	}
	slices.SortFunc(list, schema.CompareVersions)
	return list
}

// versionsIn returns the versions of a name, by their ids, and which is the latest so far; 0 is none.
func versionsIn(ctx context.Context, tx *sql.Tx, name string) (latest int64, versions map[string]int64, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, version, latest FROM object WHERE name = ?", name)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	versions = map[string]int64{}
	for rows.Next() {
		var id int64
		var version string
		var is bool
		if err := rows.Scan(&id, &version, &is); err != nil {
			return 0, nil, err
		}
		versions[version] = id
		if is {
			latest = id
		}
	}
	return latest, versions, rows.Err()
}

// drop forgets objects.
func (c *Catalogue) drop(ctx context.Context, ids []int64) error {
	_, err := c.change(ctx, func(tx *sql.Tx) (bool, error) {
		names := map[string]bool{}
		for _, id := range ids {
			var name string
			if err := tx.QueryRowContext(ctx, "SELECT name FROM object WHERE id = ?", id).Scan(&name); errors.Is(err, sql.ErrNoRows) {
				continue
			} else if err != nil {
				return false, err
			}
			names[name] = true
			if err := forget(ctx, tx, id); err != nil {
				return false, err
			}
		}
		return true, elect(ctx, tx, names)
	})
	return err
}

func forget(ctx context.Context, tx *sql.Tx, id int64) error {
	for _, statement := range []string{"DELETE FROM words WHERE rowid = ?", "DELETE FROM parts WHERE rowid = ?", "DELETE FROM object WHERE id = ?"} {
		if _, err := tx.ExecContext(ctx, statement, id); err != nil {
			return err
		}
	}
	return nil
}

// change runs a transaction, and begins a new generation if it changes anything.
func (c *Catalogue) change(ctx context.Context, do func(tx *sql.Tx) (bool, error)) (bool, error) {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing, and before it the first error counts
	changed, err := do(tx)
	if err != nil {
		return false, err
	}
	if changed {
		if _, err := tx.ExecContext(ctx, "UPDATE generation SET number = number + 1"); err != nil {
			return false, err
		}
	}
	return changed, tx.Commit()
}
