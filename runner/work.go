package runner

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// A work folder holds an interrupted run:
//
//	run.json                        whose run it is
//	journal.jsonl                   at least up to the newest snapshot
//	step-0000000120/                a snapshot: snapshot.json, parameters.safetensors, state.safetensors
//
// A snapshot is written under another name, synced, and renamed, after the journal has been synced; older ones are removed
// after that. So whenever the process is killed, the newest snapshot is whole and the journal reaches it.
const (
	fileRun        = "run.json"
	fileJournal    = "journal.jsonl"
	fileSnapshot   = "snapshot.json"
	fileParameters = "parameters.safetensors"
	fileState      = "state.safetensors"
	prefixSnapshot = "step-"
	partialSuffix  = ".partial"
)

// work is an open work folder.
type work struct {
	dir     string
	found   *snapshot // the newest one when the folder was opened; nil if there is none
	journal *workJournal
	taken   time.Time
}

// identity is run.json.
type identity struct {
	Specification schema.Digest `json:"specification"`
	Engine        schema.Digest `json:"engine"`
}

// snapshot is snapshot.json.
type snapshot struct {
	Step    int64 `json:"step"`
	Journal int64 `json:"journal"` // bytes of the journal that belong to it
}

// openWork opens or makes a folder. One that belongs to another plan gives ErrOtherWork. The journal is cut to the newest
// snapshot.
func openWork(dir string, p Plan) (*work, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	w := &work{dir: dir, taken: time.Now()}
	if err := w.identify(identity{p.Specification, p.Engine}); err != nil {
		return nil, err
	}
	if err := w.find(); err != nil {
		return nil, err
	}
	var size int64
	if w.found != nil {
		size = w.found.Journal
	}
	var err error
	w.journal, err = openWorkJournal(filepath.Join(dir, fileJournal), size)
	return w, err
}

func (w *work) identify(want identity) error {
	b, err := os.ReadFile(filepath.Join(w.dir, fileRun))
	if errors.Is(err, fs.ErrNotExist) {
		b, err := schema.Canonical(want)
		if err != nil {
			return err
		}
		return writeSynced(w.dir, fileRun, func(out io.Writer) error { _, err := out.Write(b); return err })
	}
	if err != nil {
		return err
	}
	var have identity
	if err := json.Unmarshal(b, &have); err != nil {
		return w.broken(fileRun, err)
	}
	if have != want {
		return fmt.Errorf("%w: specification %s with engine %s, and this is %s with %s",
			ErrOtherWork, have.Specification.Short(), have.Engine.Short(), want.Specification.Short(), want.Engine.Short())
	}
	return nil
}

// broken is damage that no kill explains.
func (w *work) broken(name string, err error) error {
	return &schema.Invalid{Document: filepath.Join(filepath.Base(w.dir), name), Problems: []schema.Problem{{
		Message: err.Error(), Hint: "remove the work folder to train from the start",
	}}}
}

// snapshots lists the whole ones, oldest first.
func (w *work) snapshots() ([]string, error) {
	entries, err := os.ReadDir(w.dir)
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefixSnapshot) && !strings.HasSuffix(e.Name(), partialSuffix) {
			names = append(names, e.Name())
		}
	}
	return names, err // ReadDir sorts, and numbers have leading zeros
}

func (w *work) find() error {
	names, err := w.snapshots()
	if err != nil || len(names) == 0 {
		return err
	}
	name := names[len(names)-1]
	b, err := os.ReadFile(filepath.Join(w.dir, name, fileSnapshot))
	if err == nil {
		w.found = &snapshot{}
		err = json.Unmarshal(b, w.found)
	}
	if err != nil {
		return w.broken(name, err)
	}
	return nil
}

// tensors of the snapshot that was found.
func (w *work) tensors() (Tensors, error) {
	dir := filepath.Join(w.dir, snapshotName(w.found.Step))
	parameters, err := readTensors(dir, fileParameters)
	if err != nil {
		return Tensors{}, err
	}
	state, err := readTensors(dir, fileState)
	return Tensors{Parameters: parameters, State: state}, err
}

func readTensors(dir, name string) ([]closure.Tensor, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	tensors, _, err := closure.ReadSafetensors(bytes.NewReader(b), int64(len(b)), filepath.Join(filepath.Base(dir), name))
	return tensors, err
}

// recorded is the journal up to the snapshot that was found.
func (w *work) recorded() io.Reader {
	return io.NewSectionReader(w.journal.f, 0, w.found.Journal)
}

// due reports whether a snapshot is wanted after a step.
func (w *work) due(step int64, o TrainOptions) bool {
	every := o.SnapshotEvery
	if every == 0 {
		every = DefaultSnapshotEvery
	}
	return time.Since(w.taken) >= every || (o.SnapshotSteps > 0 && step%o.SnapshotSteps == 0)
}

func snapshotName(step int64) string { return fmt.Sprintf("%s%016d", prefixSnapshot, step) }

// save writes a snapshot. The journal must have been flushed.
func (w *work) save(s snapshot, t Tensors) error {
	name := snapshotName(s.Step)
	partial := filepath.Join(w.dir, name+partialSuffix)
	// What a killed process left of this snapshot.
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.Mkdir(partial, 0o777); err != nil {
		return err
	}
	b, err := schema.Canonical(s)
	if err != nil {
		return err
	}
	files := []closure.Content{
		closure.Safetensors(fileParameters, t.Parameters), closure.Safetensors(fileState, t.State), closure.Bytes(fileSnapshot, b),
	}
	for _, f := range files {
		if err := writeSynced(partial, f.Path, f.Write); err != nil {
			return err
		}
	}
	older, err := w.snapshots()
	if err != nil {
		return err
	}
	if slices.Contains(older, name) {
		// A run that was stopped before its first new step: the same state.
		return os.RemoveAll(partial)
	}
	if err := os.Rename(partial, filepath.Join(w.dir, name)); err != nil {
		return err
	}
	if err := syncDir(w.dir); err != nil {
		return err
	}
	for _, o := range older {
		if err := os.RemoveAll(filepath.Join(w.dir, o)); err != nil {
			return err
		}
	}
	w.taken = time.Now()
	return nil
}

func (w *work) close() { w.journal.f.Close() }

func writeSynced(dir, name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(dir, name+".*"+partialSuffix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // does nothing after the rename
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// workJournal is the journal's file.
type workJournal struct {
	f *os.File
	w *bufio.Writer
}

// openWorkJournal opens the file and cuts it to a size that it must have reached.
func openWorkJournal(path string, size int64) (*workJournal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.Size() < size:
		err = schema.Invalidf(filepath.Base(path), "", "%d bytes, and the snapshot needs %d: remove the work folder to train from the start", info.Size(), size)
	default:
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &workJournal{f, bufio.NewWriter(f)}, nil
}

func (j *workJournal) Write(b []byte) (int, error) { return j.w.Write(b) }

// Flush makes what was written survive a crash.
func (j *workJournal) Flush() error {
	if err := j.w.Flush(); err != nil {
		return err
	}
	return j.f.Sync()
}
