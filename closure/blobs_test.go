package closure_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

func TestVerifyReader(t *testing.T) {
	good := []byte("the right bytes")
	digest := schema.DigestOf(good)
	for _, tc := range []struct {
		name     string
		bytes    []byte
		size     int64
		damaged  bool
		observed bool // the report names another digest
	}{
		{"right", good, int64(len(good)), false, false},
		{"right, size unknown", good, -1, false, false},
		{"one byte flipped", []byte("the right bytez"), int64(len(good)), true, true},
		{"flipped, size unknown", []byte("the right bytez"), -1, true, true},
		{"short", good[:5], int64(len(good)), true, true},
		{"trailing bytes", append(bytes.Clone(good), "!!!"...), int64(len(good)), true, true},
		{"empty", nil, int64(len(good)), true, true},
		{"right digest, wrong size", good, 99, true, false},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "data with EOF": iotest.DataErrReader,
		} {
			t.Run(tc.name+", "+name, func(t *testing.T) {
				b, err := io.ReadAll(closure.VerifyReader(wrap(bytes.NewReader(tc.bytes)), "a/file", digest, tc.size))
				if tc.size >= 0 && int64(len(b)) > tc.size {
					t.Errorf("%d bytes passed on, more than %d", len(b), tc.size)
				}
				if !tc.damaged {
					if err != nil || !bytes.Equal(b, good) {
						t.Fatalf("got %q, %v", b, err)
					}
					return
				}
				wantDamaged(t, err, "a/file")
				var damaged *schema.Damaged
				errors.As(err, &damaged)
				if got := damaged.Blobs[0]; got.Expected != digest || got.Observed.IsZero() == tc.observed {
					t.Errorf("got %+v", got)
				}
			})
		}
	}
}

func TestVerifyReaderPassesOtherErrors(t *testing.T) {
	broken := errors.New("the line is cut")
	_, err := io.ReadAll(closure.VerifyReader(iotest.ErrReader(broken), "f", schema.DigestOf(nil), 3))
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
}

func TestReadBlob(t *testing.T) {
	ctx := context.Background()
	content := []byte("content")
	digest := schema.DigestOf(content)
	var store closuretest.Memory
	store.Set(digest, content)
	if b, err := closure.ReadBlob(ctx, &store, "f", digest, 7, 7); err != nil || string(b) != "content" {
		t.Fatalf("got %q, %v", b, err)
	}
	_, err := closure.ReadBlob(ctx, &store, "f", digest, 8, 7)
	wantInvalid(t, err, "f: size: 8 bytes; at most 7 are read")
	_, err = closure.ReadBlob(ctx, &store, "f", digest, 8, 100)
	wantDamaged(t, err, "f")
	_, err = closure.ReadBlob(ctx, &store, "f", digest, 6, 100)
	wantDamaged(t, err, "f")

	store.Set(digest, []byte("cont3nt"))
	_, err = closure.ReadBlob(ctx, &store, "f", digest, 7, 7)
	wantDamaged(t, err, "f")

	store.Delete(digest)
	_, err = closure.ReadBlob(ctx, &store, "f", digest, 7, 7)
	wantDamaged(t, err, "f")
	if !errors.Is(err, closure.ErrNotFound) {
		t.Errorf("%v does not wrap ErrNotFound", err)
	}
}
