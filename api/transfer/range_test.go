package transfer_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/reprise-ml/reprise/api/transfer"
)

// Whatever is asked for lies inside the blob.
func FuzzRequested(f *testing.F) {
	for _, header := range []string{"bytes=0-1", "bytes=-5", "bytes=3-", "bytes=9-1", "bytes=,", "lines=1", "bytes=0-18446744073709551615"} {
		f.Add(header, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Range", header)
		part, partial, err := transfer.Requested(r, `"tag"`, size)
		if err != nil {
			return
		}
		if part.Offset < 0 || part.Length < 0 || part.Offset+part.Length > size || partial && part.Length == 0 || !partial && part.Length != size {
			t.Errorf("%q of %d: %+v, %v", header, size, part, partial)
		}
	})
}

// What is accepted is what was written, and nothing overflows.
func FuzzSent(f *testing.F) {
	for _, header := range []string{"", "0-0", "0-1023", "10-9", "bytes 0-1/2", "-1", "1-", "+1-2", "0-9223372036854775807", "00-01", "0x1-2", " 0-1"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		part, ok, err := transfer.Sent(header)
		if err != nil || !ok {
			if header == "" && err != nil {
				t.Errorf("no header: %v", err)
			}
			return
		}
		end := part.Offset + part.Length
		if part.Offset < 0 || part.Length <= 0 || end <= part.Offset {
			t.Fatalf("%q: %+v", header, part)
		}
		var first, last int64
		if n, err := fmt.Sscanf(header, "%d-%d", &first, &last); n != 2 || err != nil || first != part.Offset || last != end-1 {
			t.Errorf("%q is read as %d to %d", header, part.Offset, end-1)
		}
	})
}

func TestSent(t *testing.T) {
	for header, want := range map[string]transfer.Span{"0-0": {Offset: 0, Length: 1}, "5-9": {Offset: 5, Length: 5}} {
		if got, ok, err := transfer.Sent(header); got != want || !ok || err != nil {
			t.Errorf("%q: %+v %v %v", header, got, ok, err)
		}
	}
	for _, header := range []string{"bytes 0-1", "0", "1-0", "-", "a-b", "0-1/2", "-1-2", "0-99999999999999999999", "99999999999999999999-0"} {
		if _, _, err := transfer.Sent(header); err == nil {
			t.Errorf("%q passes", header)
		}
	}
}
