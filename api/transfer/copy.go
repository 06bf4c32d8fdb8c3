package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
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

// SendWhole sends a blob of n bytes through the verifying reader of it. The verdict comes with the end of the stream, so the last
// byte waits for that: damaged bytes never arrive as if they were whole.
func SendWhole(w http.ResponseWriter, r io.Reader, n int64) error {
	if err := Send(w, r, max(0, n-1)); err != nil {
		return err
	}
	var last bytes.Buffer
	if _, err := io.Copy(&last, io.LimitReader(r, 2)); err != nil {
		return err
	}
	return Send(w, &last, min(n, 1))
}

// Body is the body of a request, of which each piece may take PieceTimeout to come. The answer may take as long after the last.
type Body struct {
	control     *http.ResponseController
	r           io.Reader
	interrupted atomic.Bool
}

// NewBody reads the body of r.
func NewBody(w http.ResponseWriter, r *http.Request) *Body {
	return &Body{control: http.NewResponseController(w), r: r.Body}
}

// ErrInterrupted is what a Body returns from Interrupt on.
var ErrInterrupted = errors.New("another request took over")

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	until := time.Now().Add(PieceTimeout)
	if err := supported(b.control.SetReadDeadline(until)); err != nil {
		return 0, err
	}
	if err := supported(b.control.SetWriteDeadline(until.Add(PieceTimeout))); err != nil {
		return 0, err
	}
	if b.interrupted.Load() {
		return 0, ErrInterrupted
	}
	n, err := b.r.Read(p[:min(len(p), PieceSize)])
	if err != nil && err != io.EOF && b.interrupted.Load() {
		err = ErrInterrupted
	}
	return n, err
}

// Interrupt ends a Read that waits, and all that follow. It may be called at any time before the request is answered.
func (b *Body) Interrupt() {
	b.interrupted.Store(true)
	// Where there are no deadlines the read ends with its connection.
	_ = b.control.SetReadDeadline(time.Unix(1, 0))
}

// Patient lets the answer take as long as it needs: the server works, the client waits.
func Patient(w http.ResponseWriter) {
	// A connection without deadlines needs none taken away; a broken one is noticed when the answer is written.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}

// supported passes over writers, of tests, that have no deadlines.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
