package closure_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

// wantInvalid checks that err is one *schema.Invalid of that text, or that it contains it.
func wantInvalid(t *testing.T, err error, text string) {
	t.Helper()
	if _, ok := errors.AsType[*schema.Invalid](err); !ok {
		t.Fatalf("got %v, want an *schema.Invalid: %s", err, text)
	}
	if !strings.Contains(err.Error(), text) {
		t.Fatalf("got  %v\nwant %s", err, text)
	}
}

// wantDamaged checks that err is an *schema.Damaged of exactly those paths.
func wantDamaged(t *testing.T, err error, paths ...string) {
	t.Helper()
	var damaged *schema.Damaged
	if !errors.As(err, &damaged) {
		t.Fatalf("got %v, want damage in %q", err, paths)
	}
	var got []string
	for _, b := range damaged.Blobs {
		got = append(got, b.Path)
	}
	if strings.Join(got, " ") != strings.Join(paths, " ") {
		t.Fatalf("got damage in %q, want %q (%v)", got, paths, err)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func writeFile(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// sampleDirectory writes the sample closure.
func sampleDirectory(t *testing.T) (string, *schema.Closure) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "closure")
	c, contents := closuretest.Closure()
	if err := closure.Write(dir, c, contents...); err != nil {
		t.Fatal(err)
	}
	return dir, c
}

type pair[A, B any] struct {
	a A
	b B
}

func must2[A, B any](a A, b B, err error) func(*testing.T) pair[A, B] {
	return func(t *testing.T) pair[A, B] {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return pair[A, B]{a, b}
	}
}

func first[A, B any](p pair[A, B]) A { return p.a }

// sampleLayout is that of 3×2 grey images with one label byte.
var sampleLayout = schema.RecordLayout{
	Size: 7, Input: schema.Field{DType: "u8", Shape: []int{3, 2, 1}}, Target: schema.Field{Offset: 6, DType: "u8", Shape: []int{}},
}

// sampleRecord is the i-th record: every byte says which it is.
func sampleRecord(i int) []byte {
	return []byte{byte(i), byte(i >> 8), byte(i * 3), 0, 255, byte(i * 7), byte(i % 4)}
}

// sampleDataset builds 300 train and 40 test records.
func sampleDataset(t *testing.T) (*closuretest.Memory, *schema.Dataset, *closure.Manifest) {
	t.Helper()
	b, err := closure.NewBuilder(schema.Dataset{
		Name: "points", Version: "1.0.0", Classes: []string{"a", "b", "c", "d"}, Record: sampleLayout,
	}, closure.BuilderOptions{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 340 {
		split := "train"
		if i >= 300 {
			split = "test"
		}
		if err := b.Add(split, sampleRecord(i)); err != nil {
			t.Fatal(err)
		}
	}
	store := new(closuretest.Memory)
	d, m, err := b.Finish(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return store, d, m
}
