package zoo

import (
	"errors"

	"github.com/reprise-ml/reprise/closure"
)

// What a store can refuse. Every error of a store wraps at most one of these, after the identity of what it is about
// ("mnist:1.0.0: not found").
var (
	// ErrNotFound: there is no such blob, version, tag, name or store. It is the ErrNotFound of package closure.
	ErrNotFound = closure.ErrNotFound
	// ErrVersionExists: the version is published with another digest, and a published version never changes.
	ErrVersionExists = errors.New("this version is already published")
	// ErrTagMoved: the tag is not where the caller last saw it.
	ErrTagMoved = errors.New("the tag has moved")
	// ErrReadOnly: the store does not accept writes.
	ErrReadOnly = errors.New("the store is read-only")
	// ErrInterrupted: the place has lost an unfinished write. The same write, from its first byte, may succeed.
	ErrInterrupted = errors.New("the write was interrupted")
	// ErrUnsupported: this kind of store has no such ability (see Capabilities).
	ErrUnsupported = errors.New("this store cannot do that")
)
