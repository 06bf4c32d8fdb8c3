// Package registry is the OCI distribution interface (specification 1.1) over any zoo.Store: what docker, oras, crane, cosign
// and helm speak, below /v2/.
//
// Vocabulary:
//
//   - A repository is a name of the store. Its tags are the name's versions, which are write-once, and its tags, which move.
//   - A session is an upload that has begun: a file in the spool, and the state of its hash. It outlives connections and the
//     server, and ends when its blob is in the store.
//   - A token is what a client shows. It allows a scope: to pull, to push to the names of its pattern, or to administer them.
//   - A deleted manifest is one that its name does not have any more. Nothing is erased: garbage collection does that for what
//     nobody counts on.
//
// Blobs are the store's, not a repository's: whoever may read, reads them under any name, so that what the store has need not
// be sent again. A token's pattern therefore limits what is written, not what is read.
//
// Any artifact is taken, and any manifest of the OCI or of Docker's second schema. What claims to be a closure or dataset must
// have the manifest of one. Errors are those of the specification (errors.go); what a client cannot know stays in the log.
package registry
