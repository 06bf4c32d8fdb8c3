// Package oci is a zoo.Store in an OCI registry: any that speaks the distribution specification 1.1, and a Reprise server,
// which is such a registry.
//
// A name is a repository below the store's prefix, a version and a tag are tags of it, an object is its manifest, and
// referrers are found by the referrers API or, where a registry lacks it, by the fallback tag of the specification. Blobs and
// referrers are therefore kept apart by name (zoo.Scoped).
//
// go-containerregistry finds credentials (Docker's configuration, credential helpers) and does the token flow. It can
// resume nothing, so blobs travel by the requests of this package on top of its authenticated transport:
//
//   - Uploads of more than a chunk go in chunks. What the registry has confirmed is noted in a file under the user's cache
//     directory, so that another process goes on where a killed one stopped. A registry that refuses chunks gets the blob in
//     one request.
//   - Downloads that break off go on by a range request at the byte where they stopped, in the next process too.
//   - What is answered by 429 or 5xx, or not at all, is tried again after a pause, which Retry-After prolongs.
//
// The distribution specification knows no conditional write. Versions are written once by looking, writing and reading back:
// within one Store that is exact, between processes a race that was lost is reported after the fact, and one that nobody
// notices is possible. Capabilities say so. A Reprise server decides by itself.
//
// Nor does it know who counts on a blob, or since when it is there, so that nobody but the registry itself can collect garbage: a Store is
// no zoo.Sweeper. Tags are deleted where the registry does that (DeleteTag); some, such as Debian's, delete only manifests by their digest,
// with all of their tags, which is never what is asked for.
//
// See https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md.
package oci
