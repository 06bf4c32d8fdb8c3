package zoo

import (
	"bytes"
	"context"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// PutModelPack stores the ModelPack view of a published closure, as a referrer: its config, its manifest, and then the marker by
// which it is found. Storing it again changes nothing.
func PutModelPack(ctx context.Context, s Store, c *schema.Closure) (Entry, error) {
	manifest, config, err := closure.ModelPack(c)
	if err != nil {
		return Entry{}, err
	}
	links, err := ReadLinks("the ModelPack view", manifest)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{
		ArtifactType: closure.MediaTypeModelPack, Created: c.Created, Digest: schema.DigestOf(manifest),
		MediaType: closure.MediaTypeManifest, Size: int64(len(manifest)),
	}
	if err := CheckReferrer(ctx, links.Subject, e); err != nil {
		return Entry{}, err
	}
	blobs := BlobsOf(s, c.Name)
	for _, b := range [][]byte{config, manifest} {
		if err := blobs.Put(ctx, schema.DigestOf(b), int64(len(b)), bytes.NewReader(b)); err != nil {
			return Entry{}, err
		}
	}
	return e, ReferrersOf(s, c.Name).PutReferrer(ctx, links.Subject, e)
}
