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

	"github.com/reprise-ml/reprise/schema"
)

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
