package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Archive is a closure to be verified, replayed or resumed.
type Archive struct {
	Closure *schema.Closure
	Digest  schema.Digest // of its manifest; it is only repeated in reports
	Blobs   closure.Blobs // its files
	// Dataset finds the document and the blobs of a dataset that the closure refers to.
	Dataset func(ctx context.Context, d schema.ClosureDataset) (*schema.Dataset, closure.Blobs, error)
}

// maxDocument bounds the engines and journals that are read into memory.
const maxDocument = 1 << 30

// file reads a file of the closure into memory.
func (a *Archive) file(ctx context.Context, path string) ([]byte, error) {
	f, ok := closure.FindFile(a.Closure, path)
	if !ok {
		return nil, schema.Invalidf(schema.PathClosure, "files", "there is no %s", path)
	}
	return closure.ReadBlob(ctx, a.Blobs, f.Path, f.Digest, f.Size, maxDocument)
}

// Engine reads the closure's engine, which must be the one that the document names.
func (a *Archive) Engine(ctx context.Context) ([]byte, error) {
	return a.engineAt(ctx, schema.PathEngine, a.Closure.Engine.Digest)
}

// Tensors reads parameters and state.
func (a *Archive) Tensors(ctx context.Context) (Tensors, error) {
	return a.tensors(ctx, schema.PathParameters, schema.PathState)
}

// Snapshot reads the parameters and the state that were kept after a step.
func (a *Archive) Snapshot(ctx context.Context, step int64) (Tensors, error) {
	parameters, state := SnapshotPaths(step)
	if _, ok := closure.FindFile(a.Closure, parameters); !ok {
		return Tensors{}, schema.Invalidf(schema.PathClosure, "files", "no snapshot was kept after step %d", step)
	}
	return a.tensors(ctx, parameters, state)
}

func (a *Archive) tensors(ctx context.Context, parameters, state string) (Tensors, error) {
	var t Tensors
	for _, part := range []struct {
		path string
		into *[]closure.Tensor
	}{{parameters, &t.Parameters}, {state, &t.State}} {
		f, ok := closure.FindFile(a.Closure, part.path)
		if !ok {
			return t, schema.Invalidf(schema.PathClosure, "files", "there is no %s", part.path)
		}
		var err error
		if *part.into, err = closure.LoadTensors(ctx, a.Blobs, f); err != nil {
			return t, err
		}
	}
	return t, nil
}

// Journal reads the journal.
func (a *Archive) Journal(ctx context.Context) (io.Reader, error) {
	b, err := a.file(ctx, schema.PathJournal)
	return bytes.NewReader(b), err
}

// Data opens the splits that the closure was trained and tested on.
func (a *Archive) Data(ctx context.Context) (Data, error) { return a.data(ctx, a.Closure.Datasets) }

func (a *Archive) data(ctx context.Context, datasets []schema.ClosureDataset) (Data, error) {
	var data Data
	for _, d := range datasets {
		records, err := a.records(ctx, d)
		if err != nil {
			return data, err
		}
		switch d.Role {
		case schema.RoleTrain:
			data.Train = records
		case schema.RoleTest:
			data.Test = records
		}
	}
	return data, nil
}

func (a *Archive) records(ctx context.Context, d schema.ClosureDataset) (Records, error) {
	document, blobs, err := a.dataset(ctx, d)
	if err != nil {
		return nil, err
	}
	r, err := closure.OpenSplit(ctx, blobs, document, d.Split)
	if err != nil {
		return nil, err
	}
	if r.Len() != d.Examples {
		return nil, schema.Invalidf(schema.PathClosure, "datasets."+d.Role+".examples", "%d, but the split %s has %d", d.Examples, d.Split, r.Len())
	}
	return r, nil
}

// dataset finds a dataset and checks that it is the one that the specification pins.
func (a *Archive) dataset(ctx context.Context, d schema.ClosureDataset) (*schema.Dataset, closure.Blobs, error) {
	document, blobs, err := a.Dataset(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	if document.Content != d.Content {
		return nil, nil, schema.Invalidf(schema.PathClosure, "datasets."+d.Role+".content", "%s, but %s:%s has %s", d.Content, d.Name, d.Version, document.Content)
	}
	return document, blobs, nil
}

// damage collects what is damaged in a closure and its datasets. Other errors end the search.
type damage []schema.DamagedBlob

// note takes the damage out of an error; what it returns is another kind of error, or nil.
func (d *damage) note(err error) error {
	var damaged *schema.Damaged
	if !errors.As(err, &damaged) {
		return err
	}
	*d = append(*d, damaged.Blobs...)
	return nil
}

// check reads every blob of the closure and its datasets.
func (a *Archive) check(ctx context.Context) ([]schema.DamagedBlob, error) {
	found := damage{}
	for _, f := range a.Closure.Files {
		if err := found.note(readThrough(ctx, a.Blobs, f.Path, f.Digest, f.Size)); err != nil {
			return nil, err
		}
	}
	done := map[schema.Digest]bool{}
	for _, d := range a.Closure.AllDatasets() {
		if done[d.Digest] {
			continue
		}
		done[d.Digest] = true
		document, blobs, err := a.dataset(ctx, d)
		if err != nil {
			if err := found.note(err); err != nil {
				return nil, fmt.Errorf("dataset %s:%s: %w", d.Name, d.Version, err)
			}
			continue
		}
		before := len(found)
		for _, s := range document.Splits {
			for _, shard := range s.Shards {
				if err := found.note(readThrough(ctx, blobs, shard.Path, shard.Digest, shard.Size)); err != nil {
					return nil, err
				}
			}
		}
		if len(found) == before {
			// Whole shards may still be others than the content digest says.
			if err := closure.VerifyDataset(ctx, blobs, document); err != nil {
				return nil, fmt.Errorf("dataset %s:%s: %w", d.Name, d.Version, err)
			}
		}
	}
	return found, nil
}

func readThrough(ctx context.Context, blobs closure.Blobs, path string, d schema.Digest, size int64) error {
	r, err := closure.OpenBlob(ctx, blobs, path, d, size)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// From is where another run continues this closure's: its last step.
func (a *Archive) From(ctx context.Context) (*From, error) {
	tensors, err := a.Tensors(ctx)
	if err != nil {
		return nil, err
	}
	journal, err := a.Journal(ctx)
	if err != nil {
		return nil, err
	}
	return &From{Step: a.Closure.Parameters.Step, Tensors: tensors, Journal: journal}, nil
}
