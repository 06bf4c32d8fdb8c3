package closure

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Side is one of two objects that are compared. One of Closure and Dataset is set.
type Side struct {
	schema.Compared
	Closure *schema.Closure
	Dataset *schema.Dataset
	Blobs   Blobs // its files
}

// Compare finds all in which two closures, or two datasets, differ. Files are compared by their digests, and read only where those
// differ and their contents are reported: parameters and journals, which are verified on the way.
func Compare(ctx context.Context, a, b Side) (*schema.DiffReport, error) {
	if a.Kind != b.Kind {
		return nil, schema.Invalidf("diff", "", "%s is a %s and %s is a %s: only objects of one kind are compared", a.Name, a.Kind, b.Name, b.Kind)
	}
	r := &schema.DiffReport{
		A: a.Compared, B: b.Compared, Same: a.Digest == b.Digest,
		Fields: []schema.FieldDifference{}, Results: []schema.ResultDifference{}, Tensors: []schema.TensorDifference{}, Files: []schema.FileDifference{},
	}
	var err error
	if r.Fields, err = compareDocuments(a.document(), b.document()); err != nil {
		return nil, err
	}
	r.Files = compareFiles(a.files(), b.files())
	if a.Closure == nil {
		return r, nil
	}
	r.Results = compareResults(a.Closure.Results, b.Closure.Results)
	changed := func(path string) bool {
		return slices.ContainsFunc(r.Files, func(f schema.FileDifference) bool { return f.Path == path && f.A != nil && f.B != nil })
	}
	if changed(schema.PathParameters) {
		if r.Tensors, err = compareParameters(ctx, a, b); err != nil {
			return nil, err
		}
	}
	if changed(schema.PathJournal) {
		r.Journal, err = compareJournals(ctx, a, b)
	}
	return r, err
}

func (s Side) document() any {
	if s.Closure != nil {
		return s.Closure
	}
	return s.Dataset
}

// files lists files, or shards, with what is in them.
func (s Side) files() map[string]schema.FileState {
	files := map[string]schema.FileState{}
	if s.Closure != nil {
		for _, f := range s.Closure.Files {
			files[f.Path] = schema.FileState{Digest: f.Digest, Size: f.Size}
		}
		return files
	}
	for _, split := range s.Dataset.Splits {
		for _, shard := range split.Shards {
			files[shard.Path] = schema.FileState{Digest: shard.Digest, Size: shard.Size}
		}
	}
	return files
}

func compareFiles(a, b map[string]schema.FileState) []schema.FileDifference {
	list := []schema.FileDifference{}
	for _, path := range keys(a, b) {
		inA, inB := pointer(a, path), pointer(b, path)
		if inA == nil || inB == nil || *inA != *inB {
			list = append(list, schema.FileDifference{Path: path, A: inA, B: inB})
		}
	}
	return list
}

// keys are those of both, sorted.
func keys[T any](a, b map[string]T) []string {
	var list []string
	for k := range a {
		list = append(list, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			list = append(list, k)
		}
	}
	slices.Sort(list)
	return list
}

func pointer[T any](m map[string]T, key string) *T {
	if v, ok := m[key]; ok {
		return &v
	}
	return nil
}

func compareResults(a, b []schema.Result) []schema.ResultDifference {
	type key struct{ metric, split string }
	found := map[key]*schema.ResultDifference{}
	var order []key
	for i, side := range [][]schema.Result{a, b} {
		for _, r := range side {
			k := key{r.Metric, r.Split}
			if found[k] == nil {
				found[k] = &schema.ResultDifference{Metric: r.Metric, Split: r.Split}
				order = append(order, k)
			}
			value := &schema.ClaimValue{Correct: r.Correct, Sum: r.Sum, Total: r.Total}
			if i == 0 {
				found[k].A = value
			} else {
				found[k].B = value
			}
		}
	}
	slices.SortFunc(order, func(a, b key) int {
		return cmp.Or(strings.Compare(a.metric, b.metric), strings.Compare(a.split, b.split))
	})
	list := []schema.ResultDifference{}
	for _, k := range order {
		r := found[k]
		if before, ok := mean(r.A); ok {
			if after, ok := mean(r.B); ok {
				r.Difference = new(after - before)
			}
		}
		list = append(list, *r)
	}
	return list
}

func mean(v *schema.ClaimValue) (float64, bool) {
	switch {
	case v == nil || v.Total <= 0:
		return 0, false
	case v.Correct != nil:
		return float64(*v.Correct) / float64(v.Total), true
	case v.Sum != nil:
		return float64(*v.Sum) / (1 << 20) / float64(v.Total), true
	}
	return 0, false
}

// compareJournals finds the first line after the header that differs; what the headers say is in the documents, too. nil is none.
func compareJournals(ctx context.Context, a, b Side) (*schema.JournalDifference, error) {
	var readers [2]*bufio.Reader
	for i, side := range []Side{a, b} {
		f, _ := FindFile(side.Closure, schema.PathJournal)
		r, err := OpenBlob(ctx, side.Blobs, f.Path, f.Digest, f.Size)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		readers[i] = bufio.NewReaderSize(r, 1<<16)
	}
	for line := int64(1); ; line++ {
		textA, errA := readers[0].ReadString('\n')
		textB, errB := readers[1].ReadString('\n')
		for _, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
		}
		if textA == "" && textB == "" {
			return nil, nil
		}
		if textA != textB && line > 1 {
			return &schema.JournalDifference{Line: line, A: strings.TrimSuffix(textA, "\n"), B: strings.TrimSuffix(textB, "\n")}, nil
		}
	}
}
