package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// uploadWhole sends a blob that is in memory.
func (r *repository) uploadWhole(ctx context.Context, d schema.Digest, content []byte) error {
	for failures := 1; ; failures++ {
		u, err := r.begin(ctx, d)
		if err != nil || u == nil {
			return err
		}
		err = u.finish(ctx, content)
		if !errors.Is(err, zoo.ErrInterrupted) || failures == r.s.c.pauses.attempts {
			return err
		}
		if err := r.s.c.pauses.wait(ctx, failures, 0); err != nil {
			return err
		}
	}
}

// upload sends a blob in chunks, going on where an earlier upload of it stopped. in verifies the bytes.
func (r *repository) upload(ctx context.Context, d schema.Digest, size int64, in io.Reader) error {
	state, unlock := r.s.openState(r.path, d, size)
	defer unlock()
	u, err := r.resume(ctx, d, state)
	if err != nil {
		return err
	}
	if u == nil {
		if u, err = r.begin(ctx, d); err != nil || u == nil {
			return err
		}
		state.save(u.location)
	}
	u.state = state
	if u.sent > 0 {
		if _, err := io.CopyN(io.Discard, in, u.sent); err != nil {
			return u.broken(ctx, err)
		}
	}
	if r.s.chunks.Load() && u.sent == 0 {
		return u.sendWhole(ctx, nil, size, in)
	}
	buffer := make([]byte, max(r.s.opts.Chunk, u.least))
	for {
		n, err := io.ReadFull(in, buffer)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return u.broken(ctx, err)
		}
		sendErr := u.send(ctx, buffer[:n])
		if errors.Is(sendErr, errNoChunks) && u.sent == 0 {
			r.s.chunks.Store(true)
			u.abandon(ctx)
			if u, err = r.begin(ctx, d); err != nil || u == nil {
				return err
			}
			u.state = state
			return u.sendWhole(ctx, buffer[:n], size, in)
		}
		if sendErr != nil {
			return sendErr
		}
		if err != nil { // the end, with right bytes
			break
		}
	}
	if err := u.finish(ctx, nil); err != nil {
		return err
	}
	state.remove()
	return nil
}

// uploading is an upload session of a registry.
type uploading struct {
	r        *repository
	digest   schema.Digest
	location string // of the next request
	sent     int64  // bytes that the registry has
	least    int    // bytes that a chunk must have, but the last
	state    *transferState
}

// begin starts an upload. A blob that another repository of this registry has is mounted instead: then both results are nil.
func (r *repository) begin(ctx context.Context, d schema.Digest) (*uploading, error) {
	q := request{what: "uploading to " + r.name, method: http.MethodPost, url: r.path + "/blobs/uploads/", scopes: r.push()}
	if from, ok := r.s.where.elsewhere(blobKey{r.path, d}); ok {
		mount := q
		mount.url += "?" + url.Values{"mount": {d.String()}, "from": {from}}.Encode()
		mount.scopes = append(r.push(), scopePull(from))
		// Whoever may not read the other repository uploads.
		if resp, err := r.s.c.do(ctx, mount); err == nil {
			switch resp.StatusCode {
			case http.StatusCreated:
				resp.Body.Close()
				return nil, nil
			case http.StatusAccepted:
				return r.begun(d, resp)
			}
			resp.Body.Close()
		}
	}
	resp, err := r.s.c.do(ctx, q)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusAccepted {
		return nil, r.s.c.problem(q.what, resp)
	}
	return r.begun(d, resp)
}

func (r *repository) begun(d schema.Digest, resp *http.Response) (*uploading, error) {
	defer resp.Body.Close()
	u := &uploading{r: r, digest: d}
	const most = 64 << 20 // more would not fit into memory; such a registry gets the blob at once
	if n, err := strconv.Atoi(resp.Header.Get("OCI-Chunk-Min-Length")); err == nil && n > 0 {
		u.least = min(n, most)
	}
	var err error
	u.location, err = r.s.c.locationOf(resp)
	return u, err
}

// resume finds the session of an upload that another process, or an earlier call, left; nil if there is none to go on with.
func (r *repository) resume(ctx context.Context, d schema.Digest, state *transferState) (*uploading, error) {
	location := state.load()
	if location == "" {
		return nil, nil
	}
	u := &uploading{r: r, digest: d, location: location}
	err := u.status(ctx)
	switch {
	case err == nil && u.sent <= state.size:
		state.save(u.location)
		return u, nil
	case err == nil, statusOf(err) != 0:
		state.save("") // the registry has forgotten it
		return nil, nil
	}
	return nil, err
}

// status asks how much the registry has.
func (u *uploading) status(ctx context.Context) error {
	const what = "asking for an upload's progress"
	resp, err := u.r.s.c.do(ctx, request{what: what, method: http.MethodGet, url: u.location, scopes: u.r.push()})
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusAccepted {
		return u.r.s.c.problem(what, resp)
	}
	resp.Body.Close()
	return u.progress(resp)
}

// progress reads from an answer how much the registry has and where to go on.
func (u *uploading) progress(resp *http.Response) error {
	if resp.Header.Get("Location") != "" {
		location, err := u.r.s.c.locationOf(resp)
		if err != nil {
			return err
		}
		u.location = location
	}
	if n, err := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64); err == nil && n >= 0 {
		u.sent = n // as Reprise servers say it: Range has no spelling for nothing
		return nil
	}
	text := strings.TrimPrefix(resp.Header.Get("Range"), "bytes=")
	first, last, ok := strings.Cut(text, "-")
	if !ok || first != "0" {
		return fmt.Errorf("%s: %s does not say how much it has", u.digest, u.r.s.c.location.Host)
	}
	n, err := strconv.ParseInt(last, 10, 64)
	if err != nil || n < 0 {
		if last == "" || last == "-1" {
			n = -1 // nothing yet, as some spell it
		} else {
			return fmt.Errorf("%s: %s does not say how much it has", u.digest, u.r.s.c.location.Host)
		}
	}
	u.sent = n + 1
	if n == 0 {
		u.sent = 0 // "0-0" is what registries answer for nothing; no chunk has a single byte
	}
	return nil
}

// errNoChunks: the registry does not take a blob in chunks.
var errNoChunks = errors.New("the registry takes no chunks")

// least a chunk shrinks to where a proxy finds larger ones too large.
const smallestChunk = 64 << 10

// send sends the bytes that follow those which the registry has.
func (u *uploading) send(ctx context.Context, chunk []byte) error {
	start := u.sent
	limit := len(chunk)
	for failures := 0; u.sent < start+int64(len(chunk)); {
		rest := chunk[u.sent-start:]
		piece := rest[:min(limit, len(rest))]
		before := u.sent
		resp, err := u.r.s.c.do(ctx, request{
			what: "uploading to " + u.r.name, method: http.MethodPatch, url: u.location, scopes: u.r.push(), body: piece, once: true,
			header: map[string]string{
				"Content-Type":  "application/octet-stream",
				"Content-Range": fmt.Sprintf("%d-%d", u.sent, u.sent+int64(len(piece))-1),
			},
		})
		if err == nil && isAccepted(resp.StatusCode) {
			resp.Body.Close()
			want := u.sent + int64(len(piece))
			if err = u.progress(resp); err == nil && u.sent == want {
				u.state.save(u.location)
				failures = 0
				continue
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("uploading to %s: %w", u.r.name, ctx.Err())
		}
		pause := retryAfterOf(resp, err)
		if err == nil && !isAccepted(resp.StatusCode) {
			status := resp.StatusCode
			err = u.r.s.c.problem("uploading to "+u.r.name, resp)
			switch {
			case status == http.StatusRequestEntityTooLarge && limit > smallestChunk:
				limit = max(limit/4, smallestChunk)
				continue
			case before == 0 && refusesChunks(err, failures):
				return errNoChunks
			case isDenied(err):
				return err
			}
		} else if err != nil && !isPassing(ctx, err) {
			return err
		}
		failures++
		if failures >= u.r.s.c.pauses.attempts {
			return err
		}
		if err := u.r.s.c.pauses.wait(ctx, failures, pause); err != nil {
			return err
		}
		// What became of the chunk, only the registry knows.
		statusErr := u.status(ctx)
		if statusErr != nil && statusOf(statusErr) == 0 {
			return statusErr
		}
		if statusErr != nil || u.sent < start || u.sent > start+int64(len(chunk)) {
			if err := u.lost(ctx, start, err); err != nil {
				return err
			}
		}
		u.state.save(u.location)
		if u.sent > before {
			failures = 0
		}
	}
	return nil
}

func isAccepted(status int) bool {
	return status == http.StatusAccepted || status == http.StatusNoContent || status == http.StatusOK || status == http.StatusCreated
}

// refusesChunks reports whether an answer to the first chunk says that the registry does not know such requests, rather than that
// this one failed. What can mean either has to come again.
func refusesChunks(err error, failures int) bool {
	e, _ := errors.AsType[*statusError](err)
	switch e.status {
	case http.StatusMethodNotAllowed, http.StatusLengthRequired, http.StatusNotImplemented, http.StatusUnsupportedMediaType,
		http.StatusRequestEntityTooLarge:
		return true
	case http.StatusBadRequest, http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable:
		return failures > 0 || e.code == "UNSUPPORTED"
	}
	return false
}

func retryAfterOf(resp *http.Response, err error) time.Duration {
	if err != nil || resp == nil {
		return 0
	}
	return retryAfter(resp)
}

// lost is the end of a session that the registry has forgotten. If it had nothing yet, a new one takes its place.
func (u *uploading) lost(ctx context.Context, start int64, cause error) error {
	if start > 0 {
		u.state.save("")
		return u.interrupted(cause)
	}
	anew, err := u.r.begin(ctx, u.digest)
	if err != nil {
		return err
	}
	if anew == nil {
		return u.interrupted(cause)
	}
	u.location, u.sent = anew.location, 0
	u.state.save(u.location)
	return nil
}

func (u *uploading) interrupted(cause error) error {
	return fmt.Errorf("%s: %w: %w", u.digest, zoo.ErrInterrupted, cause)
}

// broken ends an upload whose bytes could not be read or are wrong. In the latter case the registry need not keep them.
func (u *uploading) broken(ctx context.Context, err error) error {
	if errors.As(err, new(*schema.Damaged)) {
		u.abandon(ctx)
		u.state.remove()
	}
	return err
}

// abandon tells the registry that nobody will go on.
func (u *uploading) abandon(ctx context.Context) {
	resp, err := u.r.s.c.do(ctx, request{
		what: "giving up an upload", method: http.MethodDelete, url: u.location, scopes: u.r.push(), once: true,
	})
	if err == nil {
		resp.Body.Close()
	}
}

// sendWhole sends begun, and then what in has, in one request, which cannot be repeated.
func (u *uploading) sendWhole(ctx context.Context, begun []byte, size int64, in io.Reader) error {
	u.state.save("") // such a session cannot be gone on with
	source := &rememberingReader{r: io.MultiReader(bytes.NewReader(begun), in)}
	target := u.final()
	resp, err := u.r.s.c.do(ctx, request{
		what: "uploading to " + u.r.name, method: http.MethodPut, url: target, scopes: u.r.push(), slow: true,
		stream: source, length: size, header: map[string]string{"Content-Type": "application/octet-stream"},
	})
	if sourceErr := source.end(); sourceErr != nil {
		if err == nil {
			resp.Body.Close()
		}
		return sourceErr
	}
	if err := u.done(ctx, resp, err); err != nil {
		return err
	}
	// The request ends with the last byte; the verdict about the bytes comes after it.
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	u.state.remove()
	return nil
}

// rememberingReader keeps the error with which its reader failed. After its end nobody reads on.
type rememberingReader struct {
	mu    sync.Mutex
	r     io.Reader
	err   error
	ended bool
}

func (r *rememberingReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return 0, io.ErrClosedPipe
	}
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

func (r *rememberingReader) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	return r.err
}

// final is the address of the request that ends an upload.
func (u *uploading) final() string {
	separator := "?"
	if strings.Contains(u.location, "?") {
		separator = "&"
	}
	return u.location + separator + "digest=" + url.QueryEscape(u.digest.String())
}

// finish sends the rest and ends the upload.
func (u *uploading) finish(ctx context.Context, rest []byte) error {
	resp, err := u.r.s.c.do(ctx, request{
		what: "uploading to " + u.r.name, method: http.MethodPut, url: u.final(), scopes: u.r.push(), body: rest, slow: true,
		header: map[string]string{"Content-Type": "application/octet-stream"},
	})
	return u.done(ctx, resp, err)
}

// done reads the answer to the last request of an upload. Where it is no success, the blob may be there all the same: the answer
// to an earlier attempt may have been lost.
func (u *uploading) done(ctx context.Context, resp *http.Response, err error) error {
	if err == nil {
		if isAccepted(resp.StatusCode) {
			resp.Body.Close()
			return nil
		}
		err = u.r.s.c.problem("uploading to "+u.r.name, resp)
	}
	if ctx.Err() != nil {
		return err
	}
	if _, statErr := u.r.statBlob(ctx, u.digest); statErr == nil {
		return nil
	}
	switch status := statusOf(err); {
	case isDenied(err) || status == http.StatusRequestEntityTooLarge:
		return err
	case status == 0 && !isPassing(ctx, err):
		return err
	}
	u.state.save("")
	return u.interrupted(err)
}
