// Package closure packs and unpacks the two objects that Reprise stores: closures and datasets.
//
// Vocabulary:
//
//   - A blob is a run of bytes named by its digest. Blobs reads them, BlobSink writes them; every byte that passes is
//     checked by one reader, VerifyReader.
//   - A manifest (OCI image manifest 1.1) lists an object's document (closure.json, dataset.json) and its files. Its
//     digest is the digest of the object.
//   - A Directory is a closure on disk. Write completes one, Open reads it, Pack lists the blobs to publish, Unpack
//     makes a directory of a manifest.
//   - A Tensor is a named array; safetensors files hold them, and ContentDigest identifies them whatever the file.
//   - A dataset is made by a Builder, which an importer feeds with records, and read through Records.
//
// Everything written is a function of its inputs: the same document and files give the same bytes on any machine.
//
// Errors: a document or data file that is not acceptable gives *schema.Invalid, bytes that differ from the digest which
// names them give *schema.Damaged, and a blob that a store does not have gives an error that wraps ErrNotFound.
package closure
