package closure

import (
	"context"
	"fmt"

	"github.com/reprise-ml/reprise/schema"
)

// PathDataset is the file name of a dataset's document.
const PathDataset = "dataset.json"

// maxDocument bounds a document that is read into memory; a closure.json has some kilobytes, a dataset.json some
// hundred bytes for each shard.
const maxDocument = 16 << 20

// encodeClosure writes a closure.json. What could not be read back is not written.
func encodeClosure(c *schema.Closure) ([]byte, error) {
	b, err := schema.Canonical(c)
	if err != nil {
		return nil, schema.Invalidf(schema.PathClosure, "", "%v", err)
	}
	_, err = decodeClosure(b)
	return b, err
}

// decodeClosure reads a closure.json, in any spelling of JSON.
func decodeClosure(b []byte) (*schema.Closure, error) {
	c, err := schema.ReadClosure(schema.PathClosure, b)
	if err != nil {
		return nil, err
	}
	for i, f := range c.Files {
		place := fmt.Sprintf("files[%d]", i)
		if err := CheckPath(f.Path); err != nil {
			return nil, schema.Invalidf(schema.PathClosure, place+".path", "%v", err)
		}
		role, mediaType, ok := Classify(f.Path)
		if !ok {
			return nil, schema.Invalidf(schema.PathClosure, place+".path", "a closure has no place for %q", f.Path)
		}
		if f.Role != role || f.MediaType != mediaType {
			return nil, schema.Invalidf(schema.PathClosure, place, "%s has the role %q and the media type %q; they must be %q and %q",
				f.Path, f.Role, f.MediaType, role, mediaType)
		}
	}
	return c, nil
}

// encodeDataset writes a dataset.json. What could not be read back is not written.
func encodeDataset(d *schema.Dataset) ([]byte, error) {
	b, err := schema.Canonical(d)
	if err != nil {
		return nil, schema.Invalidf(PathDataset, "", "%v", err)
	}
	_, err = decodeDataset(b)
	return b, err
}

// decodeDataset reads a dataset.json.
func decodeDataset(b []byte) (*schema.Dataset, error) {
	d, err := schema.ReadDataset(PathDataset, b)
	if err != nil {
		return nil, err
	}
	for i, s := range d.Splits {
		if len(s.Shards) == 0 {
			return nil, schema.Invalidf(PathDataset, fmt.Sprintf("splits[%d].shards", i), "there is none")
		}
		for j, shard := range s.Shards {
			if shard.Size > maxShard {
				return nil, schema.Invalidf(PathDataset, fmt.Sprintf("splits[%d].shards[%d].size", i, j),
					"%d bytes; a shard has at most %d", shard.Size, maxShard)
			}
		}
	}
	return d, nil
}

// LoadClosure reads and checks the document of a closure's manifest, which must list the same files as the manifest.
func LoadClosure(ctx context.Context, blobs Blobs, m *Manifest) (*schema.Closure, error) {
	b, err := loadConfig(ctx, blobs, m, schema.MediaTypeClosure)
	if err != nil {
		return nil, err
	}
	c, err := decodeClosure(b)
	if err != nil {
		return nil, err
	}
	if err := m.sameLayers(schema.PathClosure, "files", closureLayers(c)); err != nil {
		return nil, err
	}
	return c, nil
}

// LoadDataset reads and checks the document of a dataset's manifest, which must list the same shards as the manifest.
func LoadDataset(ctx context.Context, blobs Blobs, m *Manifest) (*schema.Dataset, error) {
	b, err := loadConfig(ctx, blobs, m, schema.MediaTypeDataset)
	if err != nil {
		return nil, err
	}
	d, err := decodeDataset(b)
	if err != nil {
		return nil, err
	}
	if err := m.sameLayers(PathDataset, "splits", datasetLayers(d)); err != nil {
		return nil, err
	}
	return d, nil
}

func loadConfig(ctx context.Context, blobs Blobs, m *Manifest, mediaType string) ([]byte, error) {
	if m.ArtifactType != mediaType {
		return nil, schema.Invalidf("manifest "+m.Digest().Short(), "artifactType", "%q where %q is needed", m.ArtifactType, mediaType)
	}
	return ReadBlob(ctx, blobs, m.Config.Path(), m.Config.Digest, m.Config.Size, maxDocument)
}
