package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

// flip changes one bit in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// One flipped bit in any blob is found by fsck, by verify, and by pulling what the blob belongs to. Each names the file.
func TestAnyDamageIsFound(t *testing.T) {
	d := withData(t)
	d.published()
	names := map[string]string{} // file by digest
	for _, object := range []string{"small", "glyphs"} {
		dir := d.path("pulled-" + object)
		d.done("pull", object, "-o", dir)
		err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			relative, _ := filepath.Rel(dir, path)
			names[schema.DigestOf(b).Hex()] = object + " " + filepath.ToSlash(relative)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	blobs, err := os.ReadDir(filepath.Join(d.storePath(), "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	manifests := 0
	for _, blob := range blobs {
		object, file, ok := strings.Cut(names[blob.Name()], " ")
		if !ok {
			manifests++ // no directory holds them: they are named by their path in the store
			file = "blobs/sha256/" + blob.Name()
		}
		t.Run(strings.TrimSpace(object+" "+file), func(t *testing.T) {
			d := &desk{t, d.dir}
			path := filepath.Join(d.storePath(), "blobs", "sha256", blob.Name())
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			flip(t, path)
			defer os.WriteFile(path, whole, 0o666)
			f := report[schema.FsckReport](d, schema.KindFsckReport, exitDamaged, "fsck")
			if len(f.Damaged) == 0 || f.Damaged[0].Path != "blobs/sha256/"+blob.Name() {
				t.Errorf("fsck: %+v", f)
			}
			v := report[schema.VerifyReport](d, schema.KindVerifyReport, exitDamaged, "verify", "small:1.0.0")
			if len(v.Damaged) != 1 || v.Damaged[0].Path != file || v.Verdict != schema.VerdictDamaged {
				t.Errorf("verify: %+v", v)
			}
			d.refused(exitDamaged, []string{file, "is damaged"}, "verify", "small:1.0.0")
			if object != "" {
				d.refused(exitDamaged, []string{file}, "pull", object, "-o", filepath.Join(t.TempDir(), "out"))
			}
		})
	}
	if manifests != 2 || len(blobs) < 12 {
		t.Errorf("%d blobs, %d of them manifests", len(blobs), manifests)
	}
	if o := d.done("fsck"); !strings.Contains(o.stdout, "0 damaged") {
		t.Errorf("%s", o.stdout)
	}
}

func TestMissingBlob(t *testing.T) {
	d := withData(t)
	d.published()
	opened := report[schema.Closure](d, schema.KindClosure, exitDone, "show", "small")
	if err := os.Remove(filepath.Join(d.storePath(), "blobs", "sha256", opened.Engine.Digest.Hex())); err != nil {
		t.Fatal(err)
	}
	d.refused(exitDamaged, []string{schema.PathEngine, "missing"}, "verify", "small")
	d.refused(exitDamaged, []string{schema.PathEngine}, "replay", "small")
	d.refused(exitDamaged, []string{schema.PathEngine}, "pull", "small", "-o", d.path("x"))
	d.refused(exitDamaged, []string{opened.Engine.Digest.Hex()}, "fsck")
	// Publishing again brings it back.
	d.done("publish", d.path("closure"))
	d.done("verify", "small")
}
