package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// OpenPart opens a part of a blob; a store that cannot do that is read from the beginning.
func OpenPart(ctx context.Context, blobs zoo.Blobs, d schema.Digest, part Span) (io.ReadCloser, error) {
	if ranges, ok := blobs.(zoo.RangeReader); ok {
		return ranges.OpenRange(ctx, d, part.Offset, part.Length)
	}
	r, err := blobs.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, r, part.Offset); err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", d, err)
	}
	return r, nil
}

// Send sends n bytes of r. An error of the reader ends the connection: what was promised cannot be kept any more.
func Send(w http.ResponseWriter, r io.Reader, n int64) error {
	control := http.NewResponseController(w)
	for n > 0 {
		if err := supported(control.SetWriteDeadline(time.Now().Add(PieceTimeout))); err != nil {
			return err
		}
		copied, err := io.CopyN(w, r, min(n, PieceSize))
		n -= copied
		if err != nil {
			return err
		}
	}
	return nil
}

// Body is the body of a request, of which each piece may take PieceTimeout to come. The answer may take as long after the last.
func Body(w http.ResponseWriter, r *http.Request) io.Reader {
	return &body{http.NewResponseController(w), r.Body}
}

type body struct {
	control *http.ResponseController
	r       io.Reader
}

func (b *body) Read(p []byte) (int, error) {
	until := time.Now().Add(PieceTimeout)
	if err := supported(b.control.SetReadDeadline(until)); err != nil {
		return 0, err
	}
	if err := supported(b.control.SetWriteDeadline(until.Add(PieceTimeout))); err != nil {
		return 0, err
	}
	return b.r.Read(p[:min(len(p), PieceSize)])
}

// Patient lets the answer take as long as it needs: the server works, the client waits.
func Patient(w http.ResponseWriter) {
	// A connection without deadlines needs none taken away; a broken one is noticed when the answer is written.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}

// Interrupt makes a Read of the request's body that waits return an error.
func Interrupt(w http.ResponseWriter) {
	// Where that cannot be done, the read ends at its own deadline.
	_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
}

// supported passes over writers, of tests, that have no deadlines.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
