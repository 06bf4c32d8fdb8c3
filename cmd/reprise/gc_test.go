package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func TestGC(t *testing.T) {
	d := withData(t)
	d.published()
	store := d.storePath()
	text := "nothing names it"
	blob := filepath.Join(store, zoo.BlobPath(schema.DigestOf([]byte(text))))
	if err := os.WriteFile(blob, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	young := report[schema.CollectReport](d, schema.KindCollectReport, exitDone, "gc")
	if young.Blobs != 0 || young.Young != 1 || young.Kept == 0 {
		t.Errorf("within the grace period: %+v", young)
	}
	old := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(blob, old, old); err != nil {
		t.Fatal(err)
	}
	if text := d.done("gc", "--dry-run").stdout; !strings.Contains(text, "would delete 1 blob of 16 B") {
		t.Errorf("a dry run says %q", text)
	}
	if _, err := os.Stat(blob); err != nil {
		t.Error(err)
	}
	if r := report[schema.CollectReport](d, schema.KindCollectReport, exitDone, "gc", "--grace", "2h"); r.Blobs != 1 || r.Kept != young.Kept {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(blob); err == nil {
		t.Error("it is still there")
	}
	d.done("verify", "small")
	d.refused(exitInvalid, []string{"too short", "--grace 1h"}, "gc", "--grace", "1s")
	d.done("export", "--all", "-o", d.path("x.tar"))
	d.refused(exitFailed, []string{"read-only"}, "gc", "--store", d.path("x.tar"))

	d.done("fsck", "--write-index")
	index, err := os.ReadFile(filepath.Join(store, zoo.IndexPath))
	if err != nil || !strings.Contains(string(index), `"small:1.0.0"`) {
		t.Errorf("index.json: %s, %v", index, err)
	}
	d.done("fsck", "small")
	d.refused(exitInvalid, []string{"takes no names"}, "fsck", "small", "--write-index")
	d.refused(exitInvalid, []string{"names alone"}, "fsck", "Small:1")
	d.refused(exitFailed, []string{"index.json", "cannot do that"}, "fsck", "--write-index", "--store", d.path("x.tar"))
}
