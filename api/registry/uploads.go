package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/api/transfer"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// token is that of a request which needs one.
func token(c *gin.Context) *Token {
	t, _ := c.MustGet(tokenKey).(*Token)
	return t
}

// beginUpload answers POST /v2/NAME/blobs/uploads/: it begins a session, mounts a blob that the store has, or takes a whole one.
func (r *Registry) beginUpload(c *gin.Context, p place) error {
	q := c.Request.URL.Query()
	if mount := q.Get("mount"); mount != "" {
		d, err := parseDigest(mount)
		if err != nil {
			return err
		}
		// Where it lies makes no difference: the blobs are the store's.
		if _, err := r.use(c.Request.Context(), p.name, d); err == nil {
			return created(c, p.name, d)
		} else if !errors.Is(err, zoo.ErrNotFound) {
			return err
		}
	}
	whole := q.Get("digest")
	if whole != "" {
		if _, err := parseDigest(whole); err != nil {
			return err
		}
	}
	if algorithm := q.Get("digest-algorithm"); algorithm != "" && algorithm != "sha256" {
		return fail(http.StatusBadRequest, codeDigestInvalid, "the algorithm %.20q is not known; digests are sha256", algorithm)
	}
	u, err := r.spool.begin(p.name, token(c))
	if err != nil {
		return err
	}
	if whole == "" {
		progress(c, u, http.StatusAccepted)
		return nil
	}
	if err := u.hold(); err != nil {
		return err
	}
	defer u.release()
	err = r.receive(c, u)
	if err == nil {
		err = r.finish(c, u, whole)
	}
	if err != nil && !u.gone {
		err = errors.Join(err, u.end()) // nobody knows its address
	}
	return err
}

// held finds the session of a path and waits for it; the caller releases it.
func (r *Registry) held(p place) (*session, error) {
	u, err := r.spool.find(p.name, p.last)
	if err != nil {
		return nil, err
	}
	return u, u.hold()
}

// uploadStatus answers GET of a session: how much has arrived.
func (r *Registry) uploadStatus(c *gin.Context, p place) error {
	// Whoever asks has lost the connection that still holds the session, if one does.
	u, err := r.held(p)
	if err != nil {
		return err
	}
	defer u.release()
	progress(c, u, http.StatusNoContent)
	return nil
}

// patchUpload answers PATCH of a session: a chunk.
func (r *Registry) patchUpload(c *gin.Context, p place) error {
	u, err := r.held(p)
	if err != nil {
		return err
	}
	defer u.release()
	if err := r.receive(c, u); err != nil {
		return err
	}
	progress(c, u, http.StatusAccepted)
	return nil
}

// finishUpload answers PUT of a session: the last chunk, or none, and the digest of the whole.
func (r *Registry) finishUpload(c *gin.Context, p place) error {
	digest := c.Query("digest")
	d, err := parseDigest(digest)
	if err != nil {
		return err
	}
	u, err := r.spool.find(p.name, p.last)
	if err != nil {
		// The answer to an earlier PUT may have been lost.
		if _, there := r.use(c.Request.Context(), p.name, d); there == nil {
			return created(c, p.name, d)
		}
		return err
	}
	if err := u.hold(); err != nil {
		return err
	}
	defer u.release()
	if err := r.receive(c, u); err != nil {
		return err
	}
	return r.finish(c, u, digest)
}

// cancelUpload answers DELETE of a session.
func (r *Registry) cancelUpload(c *gin.Context, p place) error {
	u, err := r.held(p)
	if err != nil {
		return err
	}
	defer u.release()
	if err := u.end(); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// receive adds the body of a request to a session.
func (r *Registry) receive(c *gin.Context, u *session) error {
	length := c.Request.ContentLength // -1: unknown
	part, ranged, err := transfer.Sent(c.GetHeader("Content-Range"))
	switch {
	case err != nil:
		return fail(http.StatusBadRequest, codeUploadInvalid, "%s", err)
	case ranged && part.Offset != u.size:
		c.Header("Range", received(u.size))
		c.Header(offsetHeader, strconv.FormatInt(u.size, 10))
		c.Header("Location", location(u))
		return fail(http.StatusRequestedRangeNotSatisfiable, codeUploadInvalid,
			"the chunk begins at %d, but %d bytes have arrived: go on from there", part.Offset, u.size)
	case ranged && length >= 0 && length != part.Length:
		return fail(http.StatusBadRequest, codeSizeInvalid, "the body has %d bytes, its range %d", length, part.Length)
	case length == 0:
		return nil
	}
	if err := tooLarge(u.size+max(length, 0), r.MaxBlob); err != nil {
		return err
	}
	before := u.size
	body := transfer.NewBody(c.Writer, c.Request)
	u.awaits(body.Interrupt)
	defer u.awaits(nil)
	if err := u.append(body, token(c), r.MaxBlob); err != nil {
		return err
	}
	if got := u.size - before; ranged && got != part.Length {
		return fail(http.StatusBadRequest, codeSizeInvalid, "%d bytes came for a range of %d; ask for the upload's status and go on", got, part.Length)
	}
	return nil
}

// finish puts what has arrived into the store, if it is what it should be.
func (r *Registry) finish(c *gin.Context, u *session, digest string) error {
	d, err := parseDigest(digest)
	if err != nil {
		return err
	}
	f, err := u.open()
	if err != nil {
		return err
	}
	defer f.Close()
	if got := u.digest(); got != d {
		return errors.Join(fail(http.StatusBadRequest, codeDigestInvalid, "what has arrived, %d bytes, is %s, not %s: the upload is void, begin another", u.size, got, d), u.end())
	}
	if _, err := f.Seek(0, 0); err != nil {
		return err
	}
	transfer.Patient(c.Writer)
	ctx, size := c.Request.Context(), u.size
	if err := r.keep(ctx, u, d, f); err != nil {
		return fmt.Errorf("storing an upload: %w", err)
	}
	if err := r.quotas.keep(u.state.Token, size); err != nil {
		return err
	}
	if err := r.spool.forget(u); err != nil {
		return err
	}
	return created(c, u.state.Name, d)
}

// keep stores what has arrived, without copying it where the store can take it as it is. What was hashed by a process before this one may
// have been lost with the machine's power since: it is read again.
func (r *Registry) keep(ctx context.Context, u *session, d schema.Digest, f *os.File) error {
	blobs := zoo.BlobsOf(r.store, u.state.Name)
	if taker, ok := blobs.(zoo.FileTaker); ok && !u.remembered {
		err := taker.TakeFile(ctx, d, u.size, f.Name())
		if err == nil {
			return nil
		}
		if !errors.Is(err, zoo.ErrUnsupported) {
			r.log.Warn("an upload is copied into the store", "error", err)
		}
	}
	return blobs.Put(ctx, d, u.size, f)
}

// use is Stat for somebody who will count on the blob.
func (r *Registry) use(ctx context.Context, name string, d schema.Digest) (int64, error) {
	in := zoo.BlobsOf(r.store, name)
	if sweeper, ok := in.(zoo.Sweeper); ok {
		return sweeper.Use(ctx, d)
	}
	return in.Stat(ctx, d)
}

// offsetHeader tells how many bytes of an upload have arrived, also where that is none, which Range cannot say.
const offsetHeader = "Upload-Offset"

// progress answers with what has arrived of a session.
func progress(c *gin.Context, u *session, status int) {
	h := c.Writer.Header()
	h.Set("Location", location(u))
	h.Set("Range", received(u.size))
	h.Set(offsetHeader, strconv.FormatInt(u.size, 10))
	h.Set("Docker-Upload-UUID", u.id)
	h.Set("Cache-Control", "no-store")
	c.Status(status)
	c.Writer.WriteHeaderNow()
}

// received is what has arrived as the specification has it, which has no spelling for nothing: 0-0 is what registries say then.
func received(size int64) string { return "0-" + strconv.FormatInt(max(0, size-1), 10) }

func location(u *session) string { return "/v2/" + u.state.Name + "/blobs/uploads/" + u.id }

// created answers that a blob is there.
func created(c *gin.Context, name string, d schema.Digest) error {
	c.Header("Location", (&url.URL{Path: "/v2/" + name + "/blobs/" + d.String()}).String())
	c.Header("Docker-Content-Digest", d.String())
	c.Status(http.StatusCreated)
	c.Writer.WriteHeaderNow()
	return nil
}

func parseDigest(s string) (schema.Digest, error) {
	d, err := schema.ParseDigest(s)
	if err != nil {
		return d, fail(http.StatusBadRequest, codeDigestInvalid, "%.100s", err)
	}
	return d, nil
}
