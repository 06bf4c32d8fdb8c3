package zoo

import (
	"context"
	"fmt"
	"io"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// What every backend does at the start of its methods, written once: the context, then the arguments.

// CheckDigest refuses the zero digest, which names nothing.
func CheckDigest(ctx context.Context, d schema.Digest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.IsZero() {
		return schema.Invalidf("digest", "", "is missing")
	}
	return nil
}

// CheckPut checks the arguments of Put.
func CheckPut(ctx context.Context, d schema.Digest, size int64) error {
	if err := CheckDigest(ctx, d); err != nil {
		return err
	}
	if size < 0 {
		return schema.Invalidf(d.String(), "size", "%d is not a size", size)
	}
	return nil
}

// invalid makes a rule's error about an argument a *schema.Invalid.
func invalid(argument string, err error) error {
	if err == nil {
		return nil
	}
	return schema.Invalidf(argument, "", "%s", err)
}

// CheckNameOf checks the arguments of Versions and Tags.
func CheckNameOf(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return invalid("name", schema.CheckName(name))
}

// CheckVersionOf checks the arguments of Version.
func CheckVersionOf(ctx context.Context, name, version string) error {
	if err := CheckNameOf(ctx, name); err != nil {
		return err
	}
	return invalid("version", schema.CheckVersion(version))
}

// CheckTagOf checks the arguments of Tag.
func CheckTagOf(ctx context.Context, name, tag string) error {
	if err := CheckNameOf(ctx, name); err != nil {
		return err
	}
	return invalid("tag", schema.CheckTag(tag))
}

// CheckVersionEntry checks the arguments of PutVersion.
func CheckVersionEntry(ctx context.Context, name, version string, e Entry) error {
	if err := CheckVersionOf(ctx, name, version); err != nil {
		return err
	}
	return e.Check(name + ":" + version)
}

// CheckTagEntry checks the arguments of SwapTag.
func CheckTagEntry(ctx context.Context, name, tag string, e Entry) error {
	if err := CheckTagOf(ctx, name, tag); err != nil {
		return err
	}
	return e.Check(name + ":" + tag)
}

// CheckReferrer checks the arguments of PutReferrer.
func CheckReferrer(ctx context.Context, subject schema.Digest, e Entry) error {
	if err := CheckDigest(ctx, subject); err != nil {
		return err
	}
	return e.Check("referrer of " + subject.String())
}

// CheckRange refuses a range that does not lie inside a blob of that size.
func CheckRange(d schema.Digest, size, offset, length int64) error {
	if offset < 0 || length < 0 || offset > size || length > size-offset {
		return schema.Invalidf(d.String(), "", "%d bytes at %d do not lie inside its %d bytes", length, offset, size)
	}
	return nil
}

// SameVersion is what PutVersion returns when the version is there already.
func SameVersion(name, version string, have, want Entry) error {
	if have.Digest == want.Digest {
		return nil
	}
	return fmt.Errorf("%s:%s: %w as %s, so it cannot become %s: publish under a new version",
		name, version, ErrVersionExists, have.Digest, want.Digest)
}

// Swap decides what SwapTag does about a tag that points to current (zero: there is none): done says that it points to
// the wanted digest already.
func Swap(name, tag string, current, old, want schema.Digest) (done bool, err error) {
	switch {
	case current == want:
		return true, nil
	case current == old:
		return false, nil
	case current.IsZero():
		return false, fmt.Errorf("%s:%s: %w: it is gone, and was expected at %s", name, tag, ErrTagMoved, old)
	case old.IsZero():
		return false, fmt.Errorf("%s:%s: %w: it exists, at %s", name, tag, ErrTagMoved, current)
	}
	return false, fmt.Errorf("%s:%s: %w: it is at %s, and was expected at %s", name, tag, ErrTagMoved, current, old)
}

// Untag decides what DeleteTag does about a tag that points to current (zero: there is none).
func Untag(name, tag string, current, old schema.Digest) error {
	switch {
	case current.IsZero():
		return fmt.Errorf("%s:%s: %w", name, tag, ErrNotFound)
	case current != old:
		return fmt.Errorf("%s:%s: %w: it is at %s, and was expected at %s", name, tag, ErrTagMoved, current, old)
	}
	return nil
}

// VerifyUpload is the reader through which Put takes its bytes: it checks size and digest and stops when ctx is done.
func VerifyUpload(ctx context.Context, r io.Reader, d schema.Digest, size int64) io.Reader {
	return closure.VerifyReader(contextReader{ctx, r}, BlobPath(d), d, size)
}

// contextReader makes a long copy end with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
