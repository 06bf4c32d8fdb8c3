// Package zoo keeps closures and datasets: the store interface, the verbs over any store, and (in its subpackages) the
// places where a store can live.
//
// Vocabulary:
//
//   - A blob is a sequence of bytes named by its sha256. Manifests are blobs too.
//   - An object is a closure or a dataset: a manifest and the blobs that it names. Its digest is its manifest's.
//   - A version of a name is a write-once entry that points to an object; a tag is an entry that may move.
//   - A referrer is an object about another one (a verification record, a signature), found by its subject.
//
// A directory and an S3 prefix share one tree, which this package spells out (BlobPath, VersionPath, …), so a copied
// tree is a mirror:
//
//	oci-layout
//	blobs/sha256/<hex>
//	refs/<name>/v/<version>.json
//	refs/<name>/tags/<tag>.json
//	referrers/sha256/<subject>/<hex>.json
//	uploads/…                                unfinished writes, which nobody reads
//
// Phases: Publish writes blobs, then the manifest, then the version, then tags. Whoever can see a version can therefore
// read all of it, and a crash leaves nothing but blobs that no version names. Reading checks every byte against its
// digest on the way.
//
// Errors are told apart by errors.Is with the sentinels of this package and errors.As with *schema.Damaged (stored bytes
// that differ from their digest) and *schema.Invalid (a document, name or reference that is not acceptable).
package zoo
