package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
)

func TestPublishAndFind(t *testing.T) {
	d := withData(t)
	dir, _ := d.trained("closure")
	first := report[schema.PublishReport](d, schema.KindPublishReport, exitDone, "publish", dir, "--tag", "best")
	if again := report[schema.PublishReport](d, schema.KindPublishReport, exitDone, "publish", dir); *again != *first {
		t.Errorf("published again: %+v, before %+v", again, first)
	}
	if o := d.done("publish", dir); !strings.Contains(o.stdout, "already published") {
		t.Errorf("%q", o.stdout)
	}
	list := *report[[]schema.ListEntry](d, schema.KindListReport, exitDone, "list")
	if len(list) != 2 || list[0].Name != "glyphs" || list[0].Kind != "dataset" || list[1].Kind != "closure" || list[1].Digest != first.Digest {
		t.Errorf("%+v", list)
	}
	if o := d.done("list", "-v"); !strings.Contains(o.stdout, first.Digest.String()) {
		t.Errorf("%s", o.stdout)
	}
	tagged := report[schema.TagReport](d, schema.KindTagReport, exitDone, "tag", "small", "newest")
	if tagged.Digest != first.Digest {
		t.Errorf("%+v", tagged)
	}
	for _, ref := range []string{"small", "small:1.0.0", "small:best", "small:newest", "small@" + first.Digest.String(), dir} {
		if got := report[schema.Closure](d, schema.KindClosure, exitDone, "show", ref); got.Name != "small" {
			t.Errorf("%s: %+v", ref, got)
		}
	}
	if got := report[schema.Dataset](d, schema.KindDataset, exitDone, "show", "glyphs"); len(got.Classes) != 10 {
		t.Errorf("%+v", got)
	}
	if o := d.done("show", "small", "-v"); !strings.Contains(o.stdout, "code/engine.wasm") || !strings.Contains(o.stdout, "loss of each step") {
		t.Errorf("%s", o.stdout)
	}
	d.refused(exitFailed, []string{"nothing: not found: the store has glyphs, small"}, "show", "nothing")
	d.refused(exitFailed, []string{"not found"}, "history", "nothing")
	d.refused(exitInvalid, []string{"reference"}, "show", "No Such:Thing")
}

func TestPublishRefuses(t *testing.T) {
	d := withData(t)
	dir, _ := d.trained("closure")
	d.done("publish", dir)
	t.Run("a version that is there", func(t *testing.T) {
		d := &desk{t, d.dir}
		other, _ := d.trained("other", "--steps", "3")
		d.refused(exitFailed, []string{"small:1.0.0", "already published", "another version"}, "publish", other)
	})
	t.Run("damage", func(t *testing.T) {
		d := &desk{t, d.dir}
		other, _ := d.trained("damaged")
		flip(t, filepath.Join(other, schema.PathParameters))
		d.refused(exitDamaged, []string{schema.PathParameters}, "publish", other)
	})
	t.Run("a store without the data", func(t *testing.T) {
		d := &desk{t, d.dir}
		d.refused(exitFailed, []string{"the dataset glyphs:1.0.0 is not in the store", "import"}, "publish", dir, "--store", d.path("another"))
	})
	t.Run("a folder that is no store", func(t *testing.T) {
		d := &desk{t, d.dir}
		d.refused(exitInvalid, []string{"is no store, and not empty"}, "publish", dir, "--store", dir)
	})
	t.Run("edited documents are taken", func(t *testing.T) {
		d := &desk{t, d.dir}
		d.write("closure.yaml", strings.Replace(specification, "version: 1.0.0", "version: 2.0.0", 1))
		other, _ := d.trained("edited")
		(&desk{t, other}).write("README.md", "# Better\n")
		d.done("verify", other)
		d.done("publish", other)
		d.done("pull", "small:2.0.0", "-o", d.path("pulled"))
		if got := (&desk{t, d.path("pulled")}).read("README.md"); got != "# Better\n" {
			t.Errorf("README.md: %q", got)
		}
	})
}

func TestPull(t *testing.T) {
	d := withData(t)
	published := d.published()
	pulled := report[schema.PullReport](d, schema.KindPullReport, exitDone, "pull", "small", "-o", d.path("pulled"))
	if pulled.Digest != published.Digest || pulled.Version != "1.0.0" {
		t.Errorf("%+v", pulled)
	}
	d.done("verify", d.path("pulled"))
	d.done("pull", "glyphs", "-o", d.path("data"))
	if diff := cmp.Diff((&desk{t, d.path("closure")}).read(schema.PathClosure), (&desk{t, d.path("pulled")}).read(schema.PathClosure)); diff != "" {
		t.Error(diff)
	}
	d.refused(exitInvalid, []string{"empty"}, "pull", "small", "-o", d.path("pulled"))
	d.refused(exitFailed, []string{"not found"}, "pull", "nothing", "-o", d.path("x"))
}

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

// Whoever may not write is told so. Root may write anywhere, so the program runs as nobody.
func TestReadOnlyStore(t *testing.T) {
	d := withData(t)
	dir, _ := d.trained("closure")
	program := d.process("publish", dir)
	if os.Geteuid() == 0 {
		program = d.asNobody(program)
	}
	err := filepath.WalkDir(d.storePath(), func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			t.Cleanup(func() { os.Chmod(path, 0o755) })
			err = os.Chmod(path, 0o555)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	told, err := program.CombinedOutput()
	if code := program.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(string(told), "read-only") || !strings.Contains(string(told), "hint:") {
		t.Errorf("exit %d (%v):\n%s", code, err, told)
	}
}

// asNobody makes a program run as a user who owns nothing, from a copy of the binary that he can read.
func (d *desk) asNobody(c *exec.Cmd) *exec.Cmd {
	d.Helper()
	const nobody = 65534
	for dir := d.dir; dir != filepath.Dir(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode()&0o005 != 0o005 {
			if err := os.Chmod(dir, info.Mode()|0o055); err != nil {
				d.Fatal(err)
			}
		}
	}
	binary, err := os.Open(c.Path)
	if err != nil {
		d.Fatal(err)
	}
	defer binary.Close()
	file, err := os.OpenFile(d.path("reprise"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		d.Fatal(err)
	}
	if _, err := io.Copy(file, binary); err != nil {
		d.Fatal(err)
	}
	if err := file.Close(); err != nil {
		d.Fatal(err)
	}
	c.Path = file.Name()
	c.Dir = d.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return c
}

// A full disk ends a command with the reason, and leaves nothing that looks whole. Where no small disk can be mounted,
// /dev/full stands in: its every write fails in the same way.
func TestFullDisk(t *testing.T) {
	d := withData(t)
	small := d.path("small")
	if err := os.Mkdir(small, 0o777); err != nil {
		t.Fatal(err)
	}
	if mountSmallDisk(small) != nil {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		a := newApp(full, io.Discard)
		err = a.answer(schema.TagReport{}, nil)
		if hint := hintOf(err); runtime.GOOS == "linux" && !strings.Contains(hint, "free some space") {
			t.Errorf("%v: hint %q", err, hint)
		}
		return
	}
	t.Cleanup(func() { unmount(small) })
	o := d.refused(exitFailed, []string{"no space left on device", "free some space"}, "dataset", "import", "idx", d.dir, "--name", "glyphs:1.0.0", "--store", filepath.Join(small, "zoo"))
	if strings.Contains(o.stdout, "sha256") {
		t.Errorf("%s", o.stdout)
	}
	d.refused(exitFailed, []string{"no space left on device"}, "train", d.path("closure.yaml"), "-o", filepath.Join(small, "out"))
	if _, err := os.Stat(filepath.Join(small, "out", schema.PathClosure)); err == nil {
		t.Error("there is a closure.json all the same")
	}
}
