// Package s3 is a zoo.Store under a prefix of a bucket: the tree of package zoo as objects of Amazon S3 or of a server that
// speaks its protocol.
//
// What S3 decides and this package relies on: a PUT with If-None-Match: * creates or fails, one with If-Match replaces what
// was read or fails, reads see every write that has ended, and a digest in x-amz-checksum-sha256 is checked before anything
// is stored. Servers exist that ignore the conditions, so Create tries them on an object whose bytes never differ, oci-layout,
// and a store on such a server looks, writes and reads back (zoo.Capabilities.ConditionalWrites is false).
//
// Phases of a blob: one that fits into a part is read, verified and sent in one request. A larger one is a multipart upload
// whose identifier lies under uploads/, where a later process finds it and goes on: it hashes the blob from the start, and
// sends the parts that the server does not have yet. Parts are sent one at a time, so that a killed process has sent at most
// one part in vain; the next one is read and hashed meanwhile.
//
// Every request is repeated if it fails for reasons that pass. A repeated write can meet what its own first attempt stored;
// so a failed condition is never believed before the object was looked at.
package s3
