package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/trainer/wire"
)

func TestAssembly(t *testing.T) {
	const id = 1<<32 + 5 // headers carry it modulo 2³²
	header := func(offset int64) wire.Header {
		return wire.Header{Vector: wire.VectorResult, ID: 5, Offset: offset}
	}
	a := wire.Assemble(wire.VectorResult, id, 300_000)
	for _, c := range []struct {
		what   string
		header wire.Header
		size   int
		want   string
	}{
		{"an update's", wire.Header{Vector: wire.VectorUpdate, ID: 5}, 10, "of kind 2"},
		{"another lease's", wire.Header{Vector: wire.VectorResult, ID: 6}, 10, "belongs to 6"},
		{"a gap", header(1), 10, "it is 1, 0 follows"},
		{"empty", header(0), 0, "empty"},
		{"too large", header(0), wire.PieceSize + 1, "more than 262144 bytes"},
		{"the first", header(0), wire.PieceSize, ""},
		{"again", header(0), wire.PieceSize, "it is 0, 262144 follows"},
		{"overlapping", header(262143), 10, "262144 follows"},
		{"beyond the end", header(262144), 37_857, "beyond the 300000"},
		{"the last", header(262144), 37_856, ""},
		{"one more", header(300_000), 1, "beyond"},
	} {
		if a.Complete() != (c.what == "one more") {
			t.Fatalf("%s: complete is %v", c.what, a.Complete())
		}
		err := a.Next(c.header, c.size)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
	if a.Received() != 300_000 {
		t.Errorf("%d bytes", a.Received())
	}
}

// FuzzHeader reads any bytes: what is accepted is what Append writes.
func FuzzHeader(f *testing.F) {
	f.Add(wire.Header{Vector: wire.VectorUpdate, ID: 77, Offset: 1 << 20}.Append(nil))
	f.Add([]byte{1, 1, 0, 0})
	f.Fuzz(func(t *testing.T, message []byte) {
		h, err := wire.ReadHeader(message)
		if err == nil && !bytes.Equal(h.Append(nil), message[:wire.HeaderSize]) {
			t.Fatalf("%v is another header", h)
		}
	})
}
