// Package api is the HTTP service over a store: a versioned JSON interface, blobs by digest, and the site.
//
// Vocabulary:
//
//   - An answer is what a route of /api/v1 gives, as JSON (answers.go). A problem is what it gives instead when it cannot
//     (RFC 9457, problem.go): a stable code, what was wrong, and what to do.
//   - The catalogue is an index of the store's objects (zoo/catalogue), from which lists are answered; requests keep it current
//     (catalogue.go). What a single page shows is read from the store itself, by digest.
//   - A page is the site's index.html with what a reader without JavaScript needs already in it (page.go).
//
// No engine ever runs here. A closure's derivation is checked by compiling its specification again, which a Deriver does
// where it likes: the command line gives it a process of its own.
//
// Everything stored is taken for hostile: documents are schema-checked, sizes bounded before anything is read, texts escaped
// in pages and left as they are in JSON. Errors of clients become problems; what a client cannot know stays in the log.
package api
