package zoo

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Store is where closures and datasets live. Every backend passes storetest.Run.
//
// All methods may be called at the same time, also by other processes that use the same place. All check their arguments
// first and return *schema.Invalid for a name, version, tag or entry that breaks the rules, so that no argument can lead
// out of the store. A context that is done makes every method return its error without having changed anything, unless
// the change was complete by then. Writes that returned without error are durable. Stores that cannot be written return
// an error that wraps ErrReadOnly.
type Store interface {
	Blobs
	Versions
	Tags
	Referrers
	Catalogue
}

// Blobs are bytes named by their digest. A blob never changes.
type Blobs interface {
	// Open returns a verifying reader of the blob, which the caller closes, or ErrNotFound.
	closure.Blobs

	// Put streams: no backend but the one in memory holds a whole blob. Nothing is stored unless the bytes are size long
	// and hash to the digest (*schema.Damaged) and r did not fail (its error, wrapped). If the blob is there already, Put
	// succeeds and may leave r unread. Of concurrent Puts of one blob all succeed.
	closure.BlobSink

	// Stat returns the blob's size in bytes without reading it, or ErrNotFound.
	Stat(ctx context.Context, d schema.Digest) (size int64, err error)
}

// Versions are write-once entries of a name. The caller has stored all that the entry points to.
type Versions interface {
	// PutVersion publishes. Publishing the digest again that the version has already is success and changes nothing;
	// another digest is ErrVersionExists, in an error that names both. Of concurrent calls with different digests
	// exactly one succeeds.
	PutVersion(ctx context.Context, name, version string, e Entry) error

	// Version returns the entry, or ErrNotFound.
	Version(ctx context.Context, name, version string) (Entry, error)

	// Versions lists the versions of a name in the order of SemVer precedence, the lowest first. A name without any is
	// an empty list and no error.
	Versions(ctx context.Context, name string) ([]string, error)
}

// Tags are entries of a name that may move.
type Tags interface {
	// SwapTag makes the tag point to e if it points to old now; the zero old means that it must not exist. Otherwise it
	// changes nothing and returns ErrTagMoved, in an error that names where the tag is. If the tag points to e's digest
	// already, whatever old is, it succeeds. Of concurrent calls with the same old and different entries exactly one
	// succeeds.
	SwapTag(ctx context.Context, name, tag string, old schema.Digest, e Entry) error

	// Tag returns the entry, or ErrNotFound.
	Tag(ctx context.Context, name, tag string) (Entry, error)

	// Tags lists the tags of a name in byte order. A name without any is an empty list and no error.
	Tags(ctx context.Context, name string) ([]string, error)
}

// Referrers are write-once markers by which objects about a subject are found.
type Referrers interface {
	// PutReferrer records that the object e has that subject. Recording it again is success and changes nothing. The
	// subject itself need not be in the store.
	PutReferrer(ctx context.Context, subject schema.Digest, e Entry) error

	// Referrers lists the objects about subject in the order of their digests. None is an empty list and no error.
	Referrers(ctx context.Context, subject schema.Digest) ([]Entry, error)
}

// Catalogue says what there is.
type Catalogue interface {
	// Names lists all names with at least one version or tag, in byte order; ErrUnsupported if Capabilities say so.
	Names(ctx context.Context) ([]string, error)

	// Capabilities says what this store can promise. It does no input or output.
	Capabilities() Capabilities
}

// Capabilities are what the place behind a store can promise.
type Capabilities struct {
	// ConditionalWrites: write-once and compare-and-swap are decided by the place itself. Without them the store looks,
	// writes and reads back, and reports a lost race as ErrVersionExists or ErrTagMoved after the fact.
	ConditionalWrites bool
	// Catalogue: Names works.
	Catalogue bool
	// PartialCatalogue: what Names lists is there, but names may be missing that were published by others.
	PartialCatalogue bool
}

// The abilities below are optional. A caller finds them by a type assertion on the Store; a wrapper that embeds a Store
// passes on those that it wants to keep.

// BlobLister can say which blobs there are.
type BlobLister interface {
	// AllBlobs yields the digest of every blob, in any order, each once; those stored or deleted meanwhile may or may
	// not appear. An error is yielded last, with the zero digest.
	AllBlobs(ctx context.Context) iter.Seq2[schema.Digest, error]
}

// Sweeper is what garbage collection (Collect) needs of a store. A store without it collects its garbage by itself, or never.
//
// What makes a sweep safe beside writers is that a use is noted: a blob that a writer stored, or found and counts on, is
// younger than any grace period, and Use and Sweep of one blob exclude each other. Put of a blob that is there is a use too.
// A place that cannot exclude them itself does it with a note of its own: Sweep writes that the blob is doomed, looks at its
// age again, deletes, and takes the note away; Use notes the use, then waits while the blob is doomed, then looks whether it
// is still there. Uses of blobs younger than Fresh need not be noted, so that a publisher does not write a lot of them.
type Sweeper interface {
	// Uses yields every blob with its size and when it was last stored or used, by the clock of the place, in any order,
	// each once. An error is yielded last, with the zero value.
	Uses(ctx context.Context) iter.Seq2[BlobUse, error]

	// Use is Stat by a writer that counts on the blob from now on. A blob whose use cannot be noted may be ErrNotFound,
	// so that the writer sends it again.
	Use(ctx context.Context, d schema.Digest) (size int64, err error)

	// Sweep removes the blob unless it was stored or used after unusedSince, and reports whether it did. A blob that is
	// not there was not swept.
	Sweep(ctx context.Context, d schema.Digest, unusedSince time.Time) (swept bool, err error)

	// DropReferrer removes the marker of an object about subject; one that is not there is success.
	DropReferrer(ctx context.Context, subject, referrer schema.Digest) error

	// SweepUploads removes what unfinished writes have left that nobody went on with after unusedSince, or only counts it.
	SweepUploads(ctx context.Context, unusedSince time.Time, countOnly bool) (Leftovers, error)
}

// Fresh is the age below which a blob counts as used without a note. Grace periods are longer.
const Fresh = 30 * time.Minute

// BlobUse is a blob and when a writer last stored it or counted on it.
type BlobUse struct {
	Digest schema.Digest
	Size   int64
	Last   time.Time
}

// Leftovers are the files of unfinished writes.
type Leftovers struct {
	Files int64
	Bytes int64
}

// use is Stat for a writer.
func use(ctx context.Context, in Blobs, d schema.Digest) (int64, error) {
	if sweeper, ok := in.(Sweeper); ok {
		return sweeper.Use(ctx, d)
	}
	return in.Stat(ctx, d)
}

// BlobDeleter can forget blobs, whoever counts on them.
type BlobDeleter interface {
	// DeleteBlob removes the blob; one that is not there is success.
	DeleteBlob(ctx context.Context, d schema.Digest) error
}

// TagDeleter can take back a tag.
type TagDeleter interface {
	// DeleteTag removes the tag if it points to old now. Otherwise it changes nothing and returns ErrTagMoved, in an error that
	// names where the tag is, or ErrNotFound if there is no such tag. A registry that deletes no tags is ErrUnsupported; where
	// Capabilities promise no conditional writes, a move at the same moment may be lost.
	DeleteTag(ctx context.Context, name, tag string, old schema.Digest) error
}

// IndexWriter can keep the index.json that makes of its tree an OCI layout for other tools.
type IndexWriter interface {
	// WriteIndex replaces the file; it appears whole or not at all.
	WriteIndex(ctx context.Context, index []byte) error
}

// RangeReader can read part of a blob.
type RangeReader interface {
	// OpenRange returns length bytes of the blob from offset on. They cannot be verified. A range that does not lie
	// inside the blob is an error.
	OpenRange(ctx context.Context, d schema.Digest, offset, length int64) (io.ReadCloser, error)
}

// Presigner can let others read blobs from its place directly, without credentials.
type Presigner interface {
	// PresignBlob returns a URL from which anybody can read the blob, also in part, until ttl has passed. It does not look
	// whether there is such a blob. Whoever reads compares the digest.
	PresignBlob(ctx context.Context, d schema.Digest, ttl time.Duration) (url string, err error)

	// PresignOrigin is the scheme, host and port of these URLs, which a page must be allowed to connect to.
	PresignOrigin(ctx context.Context) (string, error)
}

// Scanner can list what there is in a few requests, for those who keep an index. Without it they ask name by name.
type Scanner interface {
	// ScanVersions yields every version of every name, in any order. An error is yielded last, with the zero value.
	ScanVersions(ctx context.Context) iter.Seq2[StampedVersion, error]

	// ScanReferrers yields every subject and object about it, in any order. An error is yielded last, with the zero value.
	ScanReferrers(ctx context.Context) iter.Seq2[Marker, error]
}

// NamedVersion is a version of a name.
type NamedVersion struct{ Name, Version string }

// StampedVersion is a version and a text that changes if the place of the store is emptied and the version published anew. It is
// empty where the place knows nothing of that kind.
type StampedVersion struct {
	NamedVersion
	Stamp string
}

// Marker says that there is an object about a subject.
type Marker struct{ Subject, Referrer schema.Digest }

// PathFinder keeps blobs as files of this machine.
type PathFinder interface {
	// Path returns the file of a blob, which nobody may change, or ErrNotFound. Its bytes are not verified.
	Path(ctx context.Context, d schema.Digest) (string, error)
}

// FileTaker keeps blobs as files of this machine, and can make one of a file without copying it.
type FileTaker interface {
	// TakeFile is Put of a file whose bytes the caller has just written and hashed: they are not read again. The file is on disk,
	// durably, and gone from its path, when the call returns without error, unless the blob was there already. The error is
	// ErrUnsupported, and the file where it was, if it cannot be moved, as from another file system.
	TakeFile(ctx context.Context, d schema.Digest, size int64, path string) error
}

// Scoped is implemented by stores that keep the objects of each name apart, as a registry does with repositories. Such a
// store has no blobs but those of its names: its own methods for them return ErrUnsupported.
type Scoped interface {
	// BlobsOf returns the blobs of one name. A name that breaks the rules makes all of its methods return *schema.Invalid.
	// Where referrers are found by name too, it implements Referrers; PutReferrer then needs the referrer's manifest to be
	// among the name's blobs, and to have that subject.
	BlobsOf(name string) Blobs
}

// ReferrersOf returns the referrers of the objects of a name: those of Scoped.BlobsOf where that has them, since a registry
// finds them in the name's repository alone, and those of s elsewhere.
func ReferrersOf(s Store, name string) Referrers {
	if referrers, ok := BlobsOf(s, name).(Referrers); ok {
		return referrers
	}
	return s
}

// BlobsOf returns the blobs through which the objects of a name are read and written: a part of s where s is Scoped, and
// s itself elsewhere.
func BlobsOf(s Store, name string) Blobs {
	if scoped, ok := s.(Scoped); ok {
		return scoped.BlobsOf(name)
	}
	return s
}
