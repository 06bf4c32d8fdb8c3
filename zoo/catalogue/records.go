package catalogue

import (
	"context"
	"database/sql"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/attestation"
)

// Recount looks at the records about one object at once, for those who have just written one.
func (c *Catalogue) Recount(ctx context.Context, d schema.Digest) error {
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	if _, err := c.recountSubjects(ctx, []string{d.String()}); err != nil {
		return err
	}
	_, err := c.load(ctx)
	return err
}

// recount looks for records that are new, or gone, and reports whether there were any.
func (c *Catalogue) recount(ctx context.Context) (bool, error) {
	subjects, err := c.column(ctx, "SELECT DISTINCT digest FROM object")
	if err != nil {
		return false, err
	}
	scanner, ok := c.store.(zoo.Scanner)
	if !ok {
		return c.recountSubjects(ctx, subjects)
	}
	ours := make(map[string]bool, len(subjects))
	for _, s := range subjects {
		ours[s] = true
	}
	known := map[[2]string]bool{}
	rows, err := c.db.QueryContext(ctx, "SELECT subject, referrer FROM marker")
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		var m [2]string
		if err := rows.Scan(&m[0], &m[1]); err != nil {
			return false, err
		}
		known[m] = true
	}
	if err := rows.Err(); err != nil {
		return false, err
	}
	affected := map[string]bool{}
	for m, err := range scanner.ScanReferrers(ctx) {
		if err != nil {
			return false, err
		}
		key := [2]string{m.Subject.String(), m.Referrer.String()}
		if !ours[key[0]] {
			continue
		}
		if !known[key] {
			affected[key[0]] = true
		}
		delete(known, key)
	}
	for m := range known { // those that are gone
		affected[m[0]] = true
	}
	var list []string
	for s := range affected {
		list = append(list, s)
	}
	return c.recountSubjects(ctx, list)
}

func (c *Catalogue) column(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := c.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// maxSigned is how many signed records of an object are read.
const maxSigned = 500

// about is what was found about a subject.
type about struct {
	markers                []zoo.Entry
	records, signed        int64
	withdrawn, withdrawnAt string
}

func (c *Catalogue) recountSubjects(ctx context.Context, subjects []string) (bool, error) {
	read := make([]*about, len(subjects))
	err := parallel(ctx, len(subjects), func(ctx context.Context, i int) (err error) {
		read[i], err = c.readAbout(ctx, subjects[i])
		return err
	})
	if err != nil || len(subjects) == 0 {
		return false, err
	}
	return c.change(ctx, func(tx *sql.Tx) (bool, error) {
		changed := false
		for i, subject := range subjects {
			a := read[i]
			result, err := tx.ExecContext(ctx, `UPDATE object SET records = ?1, signed = ?2, withdrawn = ?3, withdrawn_at = ?4
				WHERE digest = ?5 AND (records <> ?1 OR signed <> ?2 OR withdrawn <> ?3 OR withdrawn_at <> ?4)`,
				a.records, a.signed, a.withdrawn, a.withdrawnAt, subject)
			if err != nil {
				return false, err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return false, err
			}
			changed = changed || n > 0
			if _, err := tx.ExecContext(ctx, "DELETE FROM marker WHERE subject = ?", subject); err != nil {
				return false, err
			}
			for _, m := range a.markers {
				if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO marker VALUES (?, ?)", subject, m.Digest.String()); err != nil {
					return false, err
				}
			}
		}
		return changed, nil
	})
}

// readAbout reads what is about an object, under every name that it has: stores may keep names apart.
func (c *Catalogue) readAbout(ctx context.Context, subject string) (*about, error) {
	d, err := schema.ParseDigest(subject)
	if err != nil {
		return nil, err
	}
	names, err := c.column(ctx, "SELECT DISTINCT name FROM object WHERE digest = ? ORDER BY name", subject)
	if err != nil {
		return nil, err
	}
	if _, scoped := c.store.(zoo.Scoped); !scoped && len(names) > 1 {
		names = names[:1]
	}
	a := &about{}
	seen := map[schema.Digest]bool{}
	var signed []attestation.Record
	for _, name := range names {
		entries, err := zoo.ReferrersOf(c.store, name).Referrers(ctx, d)
		if err != nil {
			return nil, err
		}
		withdrawn := false
		for _, e := range entries {
			if seen[e.Digest] {
				continue
			}
			seen[e.Digest] = true
			a.markers = append(a.markers, e)
			switch e.ArtifactType {
			case schema.MediaTypeVerification:
				a.records++
			case schema.MediaTypeWithdrawal:
				withdrawn = true
			case attestation.MediaTypeBundle:
				if len(signed) >= maxSigned {
					continue
				}
				r, err := c.trust.Read(ctx, zoo.BlobsOf(c.store, name), e, d)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				if err == nil { // what is damaged, or about something else, vouches for nothing
					signed = append(signed, r)
				}
			}
		}
		if !withdrawn {
			continue
		}
		list, err := zoo.Withdrawals(ctx, c.store, name, d)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			a.withdrawn, a.withdrawnAt = list[0].Reason, list[0].Created
		}
	}
	a.signed = int64(attestation.Vouching(signed))
	return a, nil
}
