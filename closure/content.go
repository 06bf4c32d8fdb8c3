package closure

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/reprise-ml/reprise/schema"
)

// newContentHash starts the content digest of a dataset, which identifies its records whatever the shards: sha256 over
//
//	"reprise records 1" LF
//	the canonical JSON of {"classes": […], "record": {…}} LF
//	for each split, sorted by name: "split NAME RECORDS" LF, then the bytes of its records in order
func newContentHash(d *schema.Dataset) (hash.Hash, error) {
	classes := d.Classes
	if classes == nil {
		classes = []string{}
	}
	layout, err := schema.Canonical(struct {
		Classes []string            `json:"classes"`
		Record  schema.RecordLayout `json:"record"`
	}{classes, d.Record})
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "reprise records 1\n%s\n", layout)
	return h, nil
}

// VerifyDataset reads every shard and checks it against its digest, and all of them against the content digest. Bytes that
// differ from a shard's digest give *schema.Damaged; a content digest that is not that of the shards *schema.Invalid.
func VerifyDataset(ctx context.Context, blobs Blobs, d *schema.Dataset) error {
	if _, err := encodeDataset(d); err != nil {
		return err
	}
	content, err := newContentHash(d)
	if err != nil {
		return err
	}
	for _, s := range d.Splits {
		fmt.Fprintf(content, "split %s %d\n", s.Name, s.Records)
		for _, shard := range s.Shards {
			if err := copyBlob(ctx, blobs, shard.Path, shard.Digest, shard.Size, content); err != nil {
				return err
			}
		}
	}
	if got := schema.DigestFromSum([sha256.Size]byte(content.Sum(nil))); got != d.Content {
		return schema.Invalidf(PathDataset, "content", "%s, but the records have %s", d.Content, got)
	}
	return nil
}

func copyBlob(ctx context.Context, blobs Blobs, path string, d schema.Digest, size int64, w io.Writer) error {
	r, err := OpenBlob(ctx, blobs, path, d, size)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}
