package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

func TestReplay(t *testing.T) {
	d := withData(t)
	dir, trained := d.trained("closure", "--keep-snapshots", "5")
	r := report[schema.ReplayReport](d, schema.KindReplayReport, exitDone, "replay", dir)
	if r.Verdict != schema.VerdictIdentical || r.Run != trained.Run || r.Derivation != schema.Derived || r.FirstDifference != nil {
		t.Errorf("%+v", r)
	}
	d.done("replay", dir, "--from", "5", "--to", "8")
	d.done("replay", dir, "--from", "10", "--workers", "1")
	d.refused(exitInvalid, []string{"no snapshot was kept after step 4"}, "replay", dir, "--from", "4")
	d.refused(exitInvalid, []string{"steps 1 to 12"}, "replay", dir, "--from", "5", "--to", "13")
	d.refused(exitInvalid, []string{"is not before"}, "replay", dir, "--from", "5", "--to", "5")
	t.Run("another journal", func(t *testing.T) {
		d := &desk{t, d.dir}
		other := &desk{t, dir}
		// A journal that says otherwise, consistently with its digest.
		journal := other.read(schema.PathJournal)
		at := strings.Index(journal, `"loss":`) + len(`"loss":`)
		step := strings.Count(journal[:at], "\n") // of the header and the steps before
		digit := byte('1')
		if journal[at] == '1' {
			digit = '2'
		}
		changed := journal[:at] + string(digit) + journal[at+1:]
		other.write(schema.PathJournal, changed)
		d.edit(dir, func(c *schema.Closure) {
			for i := range c.Files {
				if c.Files[i].Path == schema.PathJournal {
					c.Files[i].Digest = schema.DigestOf([]byte(changed))
				}
			}
		})
		r := report[schema.ReplayReport](d, schema.KindReplayReport, exitDiffers, "replay", dir)
		if r.FirstDifference == nil || r.FirstDifference.Step != int64(step) {
			t.Errorf("%+v, changed was step %d", r.FirstDifference, step)
		}
		d.refused(exitDiffers, []string{"The first difference is at step", "recorded", "observed", "did not replay"}, "replay", dir)
	})
	t.Run("damage", func(t *testing.T) {
		d := &desk{t, d.dir}
		dir, _ := d.trained("damaged")
		flip(t, filepath.Join(dir, schema.PathEngine))
		d.refused(exitDamaged, []string{schema.PathEngine}, "replay", dir)
	})
}
