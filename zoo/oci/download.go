package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/reprise-ml/reprise/schema"
)

// download reads the bytes of a blob from offset to end (exclusive; negative: to its end). Where the connection breaks off it goes
// on with a range request.
func (r *repository) download(ctx context.Context, d schema.Digest, offset, end int64) (*blobReader, error) {
	b := &blobReader{ctx: ctx, r: r, digest: d, at: offset, end: end}
	return b, b.connect()
}

// blobReader is a blob on its way.
type blobReader struct {
	ctx    context.Context
	r      *repository
	digest schema.Digest
	at     int64 // of the next byte
	end    int64 // negative: unknown
	body   io.ReadCloser
	failed int // times since the last byte
}

// connect asks for the bytes from at on.
func (b *blobReader) connect() error {
	header := map[string]string{}
	if b.at > 0 || b.end >= 0 {
		header["Range"] = fmt.Sprintf("bytes=%d-", b.at)
		if b.end >= 0 {
			header["Range"] = fmt.Sprintf("bytes=%d-%d", b.at, b.end-1) // some registries refuse an open end
		}
	}
	resp, err := b.r.s.c.do(b.ctx, request{
		what: b.digest.String(), method: http.MethodGet, url: b.r.blobURL(b.digest), scopes: b.r.pull(), header: header,
	})
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusPartialContent:
		var from int64
		if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-", &from); err != nil || from != b.at {
			resp.Body.Close()
			return fmt.Errorf("%s: %s sends other bytes than those from %d on", b.digest, b.r.s.c.location.Host, b.at)
		}
	case http.StatusOK: // the whole blob, perhaps in spite of the range
		if b.end < 0 && resp.ContentLength >= 0 {
			b.end = resp.ContentLength
		}
		if _, err := io.CopyN(io.Discard, resp.Body, b.at); err != nil {
			resp.Body.Close()
			return err
		}
	default:
		return b.r.s.c.problem(b.digest.String(), resp)
	}
	b.body = resp.Body
	b.r.s.where.found(blobKey{b.r.path, b.digest})
	return nil
}

// size is that of the whole blob, or negative.
func (b *blobReader) size() int64 { return b.end }

// Read implements io.Reader.
func (b *blobReader) Read(p []byte) (int, error) {
	for {
		if b.end >= 0 {
			if b.at >= b.end {
				return 0, io.EOF
			}
			p = p[:min(int64(len(p)), b.end-b.at)]
		}
		n, err := b.body.Read(p)
		b.at += int64(n)
		if n > 0 {
			b.failed = 0
			return n, nil // the error comes again if it has to
		}
		if err == nil {
			continue
		}
		if errors.Is(err, io.EOF) && b.end < 0 {
			return 0, io.EOF
		}
		if err := b.reconnect(err); err != nil {
			return 0, err
		}
	}
}

// reconnect goes on after a connection broke off.
func (b *blobReader) reconnect(cause error) error {
	if errors.Is(cause, io.EOF) {
		cause = io.ErrUnexpectedEOF
	}
	b.body.Close()
	for {
		b.failed++
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
		if b.failed >= b.r.s.c.pauses.attempts || !isPassing(b.ctx, cause) {
			return b.r.s.c.lineError(b.digest.String(), fmt.Errorf("broke off at byte %d: %w", b.at, cause))
		}
		if err := b.r.s.c.pauses.wait(b.ctx, b.failed, 0); err != nil {
			return err
		}
		if cause = b.connect(); cause == nil {
			return nil
		}
		if statusOf(cause) != 0 {
			return cause
		}
	}
}

// Close implements io.Closer.
func (b *blobReader) Close() error { return b.body.Close() }
