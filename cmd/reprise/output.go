package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// workFolder holds the snapshots of a training until it is done.
const workFolder = ".work"

// output is a closure directory that is being made.
type output struct {
	dir       string
	files     []*os.File
	journal   *bufio.Writer
	telemetry *os.File
	unlock    func()
}

// openOutput opens a directory that is absent, empty, or holds an interrupted training that nobody goes on with.
func openOutput(dir string) (*output, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fileError(dir, err)
	}
	unlock, err := zoo.LockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	o := &output{dir: dir, unlock: unlock}
	if err := o.open(); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// open makes the work folder first: it is by that folder that an interrupted training is known.
func (o *output) open() error {
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return fileError(o.dir, err)
	}
	if _, err := os.Stat(o.work()); len(entries) > 0 && err != nil {
		return usagef("name a new directory with -o", "%s is not empty, and holds no interrupted training", o.dir)
	}
	if !o.snapshots() {
		// A training that was killed before its first snapshot binds nobody.
		if err := os.RemoveAll(o.work()); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(o.work(), 0o777); err != nil {
		return err
	}
	// The journal is written anew from the header on; telemetry is what every process adds.
	journal, err := o.create(schema.PathJournal, os.O_TRUNC)
	if err != nil {
		return err
	}
	o.journal = bufio.NewWriter(journal)
	o.telemetry, err = o.create(schema.PathTelemetry, os.O_APPEND)
	return err
}

// snapshots reports whether the work folder holds one; nothing else in it is a folder.
func (o *output) snapshots() bool {
	entries, err := os.ReadDir(o.work())
	return err == nil && slices.ContainsFunc(entries, fs.DirEntry.IsDir)
}

func (o *output) work() string { return filepath.Join(o.dir, workFolder) }

func (o *output) create(path string, flag int) (*os.File, error) {
	name := filepath.Join(o.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|flag, 0o644)
	if err == nil {
		o.files = append(o.files, f)
	}
	return f, err
}

// keep writes a snapshot that stays in the closure.
func (o *output) keep(step int64, t runner.Tensors) error {
	parameters, state := runner.SnapshotPaths(step)
	if err := closure.WriteFile(o.dir, closure.Safetensors(parameters, t.Parameters)); err != nil {
		return err
	}
	return closure.WriteFile(o.dir, closure.Safetensors(state, t.State))
}

// finish completes the directory. closure.json is the last file to appear, and then the work folder goes.
func (o *output) finish(c *schema.Closure, contents []closure.Content) error {
	err := o.journal.Flush()
	for _, f := range o.files {
		err = errors.Join(err, f.Sync())
	}
	if err != nil {
		return err
	}
	if err := closure.Write(o.dir, c, contents...); err != nil {
		return err
	}
	return os.RemoveAll(o.work())
}

// discard removes what a training left that ended before its first snapshot: nothing could go on from it.
func (o *output) discard() error {
	if o.snapshots() {
		return nil
	}
	for _, path := range []string{workFolder, schema.PathJournal, schema.PathTelemetry} {
		if err := os.RemoveAll(filepath.Join(o.dir, filepath.FromSlash(path))); err != nil {
			return err
		}
	}
	// Folders that hold something else stay.
	_ = os.Remove(filepath.Join(o.dir, filepath.Dir(filepath.FromSlash(schema.PathJournal))))
	_ = os.Remove(o.dir)
	return nil
}

func (o *output) close() {
	for _, f := range o.files {
		f.Close() // after finish nothing is left to be written
	}
	o.unlock()
}

// documents are the files beside the specification that a closure takes along.
func (p *project) documents() ([]closure.Content, error) {
	var found []closure.Content
	for _, name := range []string{schema.PathReadme, schema.PathLicense, schema.PathCitation} {
		path := filepath.Join(filepath.Dir(p.path), name)
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue // it will be generated
		}
		b, err := readFile(path, maxBeside)
		if err != nil {
			return nil, err
		}
		found = append(found, closure.Bytes(name, b))
	}
	return found, nil
}

// maxBeside bounds a README.md or LICENSE.
const maxBeside = 16 << 20

// createdNow is the date of a closure that is made now: $SOURCE_DATE_EPOCH if that is set, so that builds can be
// repeated (https://reproducible-builds.org/specs/source-date-epoch/).
func createdNow() (string, error) {
	now := time.Now()
	if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds < 0 {
			return "", usagef("give seconds since 1970, or unset it", "SOURCE_DATE_EPOCH %q is not a number of seconds", text)
		}
		now = time.Unix(seconds, 0)
	}
	return now.UTC().Format(time.RFC3339), nil
}

// writeOutput writes a file that the user asked for, whole or not at all.
func writeOutput(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".partial-*")
	if err != nil {
		return fmt.Errorf("%s: %w", path, bare(err))
	}
	defer os.Remove(f.Name()) // does nothing after the rename
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, bare(err))
	}
	return nil
}

// bare takes the path of a temporary file out of an error.
func bare(err error) error {
	if reason, ok := errors.AsType[*fs.PathError](err); ok {
		return reason.Err
	}
	return err
}
