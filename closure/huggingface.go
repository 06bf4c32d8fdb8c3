package closure

import (
	"context"
	"fmt"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Files of a model repository as huggingface.co expects them.
const (
	huggingFaceWeights = "model.safetensors"
	huggingFaceConfig  = "config.json"
)

// maxReadme bounds a README.md that becomes a model card.
const maxReadme = 16 << 20

// WriteHuggingFace writes a closure to a directory, which must be absent or empty, as a model repository in the form of
// huggingface.co (https://huggingface.co/docs/hub/model-cards):
//
//	README.md          the closure's own, with the metadata of ModelMetadata
//	LICENSE            the closure's own
//	model.safetensors  its parameters, the same bytes
//	config.json        the canonical resolved specification: its sha256 is the specification digest
//	closure.json       the canonical document, which names everything by digest
//
// d is the digest of the closure's manifest. Every byte is verified: what differs is *schema.Damaged, a closure without
// parameters *schema.Invalid, and then nothing appears. It returns the bytes written.
func WriteHuggingFace(ctx context.Context, dir string, c *schema.Closure, d schema.Digest, blobs Blobs) (int64, error) {
	parameters, ok := FindFile(c, schema.PathParameters)
	if !ok {
		return 0, schema.Invalidf(schema.PathClosure, "files", "there is no %s, so there is no model to export", schema.PathParameters)
	}
	document, err := encodeClosure(c)
	if err != nil {
		return 0, err
	}
	config, err := schema.Canonical(c.Resolved())
	if err != nil {
		return 0, schema.Invalidf(schema.PathClosure, "", "%v", err)
	}
	card, err := modelCard(ctx, c, d, blobs)
	if err != nil {
		return 0, err
	}
	contents := []Content{
		Bytes(schema.PathReadme, []byte(card)),
		blobContent(ctx, blobs, huggingFaceWeights, parameters.Path, parameters.Digest, parameters.Size),
		Bytes(huggingFaceConfig, config),
		Bytes(schema.PathClosure, document),
	}
	size := int64(len(card)) + parameters.Size + int64(len(config)) + int64(len(document))
	if f, ok := FindFile(c, schema.PathLicense); ok {
		contents = append(contents, blobContent(ctx, blobs, f.Path, f.Path, f.Digest, f.Size))
		size += f.Size
	}
	return size, fillDirectory(dir, schema.PathClosure, func(partial string) error {
		for _, content := range contents {
			if err := WriteFile(partial, content); err != nil {
				return err
			}
		}
		return nil
	})
}

// modelCard is the README.md of a model repository: metadata, what the closure's own README.md says, and where it comes from.
func modelCard(ctx context.Context, c *schema.Closure, d schema.Digest, blobs Blobs) (string, error) {
	text := Card(c)
	if f, ok := FindFile(c, schema.PathReadme); ok {
		b, err := ReadBlob(ctx, blobs, f.Path, f.Digest, f.Size, maxReadme)
		if err != nil {
			return "", err
		}
		text = withoutMetadata(string(b))
	}
	var b strings.Builder
	b.WriteString(ModelMetadata(c))
	fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(text))
	fmt.Fprintf(&b, "\n## Origin\n\nExported from the research closure `%s:%s`, `%s`. `%s` is its resolved specification,\n`%s`; the parameters have the content digest\n`%s`.\n",
		c.Name, c.Version, d, huggingFaceConfig, c.Specification, c.Parameters.Digest)
	return b.String(), nil
}

// withoutMetadata drops the metadata that a README.md may begin with, because a model card has room for one only.
func withoutMetadata(text string) string {
	const fence = "---\n"
	text = strings.ReplaceAll(text, "\r\n", "\n")
	rest, ok := strings.CutPrefix(text, fence)
	if !ok {
		return text
	}
	if _, body, ok := strings.Cut("\n"+rest, "\n"+fence); ok {
		return body
	}
	return text
}
