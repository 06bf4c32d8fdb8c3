package storetest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

var verbTests = []test{
	{"publish, resolve, pull, fsck", func(t *testing.T, s zoo.Store) {
		o := Object("alice/mnist", "1.0.0", "text")
		e, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{Tags: []string{"best"}})
		check(t, err)
		dir := filepath.Join(t.TempDir(), "pulled")
		r, err := zoo.Pull(t.Context(), s, "alice/mnist:best", dir, zoo.PullOptions{})
		check(t, err)
		if r.Entry != e || r.Tag != "best" {
			t.Errorf("pulled %+v, published %+v", r, e)
		}
		checkFile(t, filepath.Join(dir, filepath.FromSlash(schema.PathEngine)), "engine of text")
		if !s.Capabilities().Catalogue {
			return
		}
		report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{})
		check(t, err)
		if len(report.Damaged) != 0 || report.Checked != 5 {
			t.Errorf("fsck: %+v; want 5 blobs checked and nothing damaged", report)
		}
	}},
}

func checkFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	check(t, err)
	if string(got) != want {
		t.Errorf("%s: got %q, want %q", filepath.Base(path), got, want)
	}
}
