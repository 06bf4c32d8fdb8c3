package closure

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Media types and annotations of the OCI image specification 1.1 and of ModelPack.
const (
	MediaTypeManifest = "application/vnd.oci.image.manifest.v1+json"

	AnnotationTitle    = "org.opencontainers.image.title"
	AnnotationFilepath = "org.cncf.model.filepath"

	annotationAuthors     = "org.opencontainers.image.authors"
	annotationCreated     = "org.opencontainers.image.created"
	annotationDescription = "org.opencontainers.image.description"
	annotationLicenses    = "org.opencontainers.image.licenses"
	annotationVersion     = "org.opencontainers.image.version"
)

// MaxManifest is the largest manifest that registries have to accept.
const MaxManifest = 4 << 20

// Manifest is the OCI image manifest of a closure, of a dataset or, with a Subject, of a record about one of them. It has
// exactly one spelling, so equal manifests have equal digests.
// See https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md.
type Manifest struct {
	ArtifactType string // equal to Config.MediaType, which older registries look at instead
	Config       Descriptor
	Layers       []Descriptor // sorted by path
	Subject      *Descriptor  // the object that a referrer is about
	Annotations  map[string]string
}

// Descriptor names a blob of a manifest.
type Descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      schema.Digest     `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Path is the file that the blob is in a directory, or the empty string.
func (d Descriptor) Path() string { return d.Annotations[AnnotationTitle] }

// encodedManifest fixes the order of keys.
type encodedManifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Subject       *Descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

func fileDescriptor(path, mediaType string, d schema.Digest, size int64) Descriptor {
	return Descriptor{
		MediaType: mediaType, Digest: d, Size: size,
		Annotations: map[string]string{AnnotationTitle: path, AnnotationFilepath: path},
	}
}

// ClosureManifest derives the manifest of a closure, and its config blob (the canonical closure.json), from the document.
// A document that is not acceptable gives *schema.Invalid.
func ClosureManifest(c *schema.Closure) (*Manifest, []byte, error) {
	document, err := encodeClosure(c)
	if err != nil {
		return nil, nil, err
	}
	return newManifest(schema.PathClosure, schema.MediaTypeClosure, document, closureLayers(c), map[string]string{
		AnnotationTitle:       orElse(c.Title, c.Name),
		annotationVersion:     c.Version,
		annotationDescription: c.Description,
		annotationLicenses:    c.License,
		annotationCreated:     c.Created,
		annotationAuthors:     authors(c.Authors),
	})
}

// DatasetManifest derives the manifest of a dataset, and its config blob (the canonical dataset.json), from the document.
// A document that is not acceptable gives *schema.Invalid.
func DatasetManifest(d *schema.Dataset) (*Manifest, []byte, error) {
	document, err := encodeDataset(d)
	if err != nil {
		return nil, nil, err
	}
	return newManifest(PathDataset, schema.MediaTypeDataset, document, datasetLayers(d), map[string]string{
		AnnotationTitle:       orElse(d.Title, d.Name),
		annotationVersion:     d.Version,
		annotationDescription: d.Description,
		annotationLicenses:    d.License,
		annotationCreated:     d.Created,
	})
}

// VerificationManifest derives the manifest of a verification record about an object, and its config blob (the canonical
// verification.json). subject describes the manifest of the closure that the record names. A document that is not acceptable
// gives *schema.Invalid.
func VerificationManifest(v *schema.Verification, subject Descriptor) (*Manifest, []byte, error) {
	document, err := schema.Canonical(v)
	if err != nil {
		return nil, nil, schema.Invalidf(schema.PathVerification, "", "%v", err)
	}
	if _, err := schema.ReadVerification(schema.PathVerification, document); err != nil {
		return nil, nil, err
	}
	if v.Closure() != subject.Digest {
		return nil, nil, schema.Invalidf(schema.PathVerification, "subject", "is %s, not %s", v.Closure(), subject.Digest)
	}
	return recordManifest(schema.PathVerification, schema.MediaTypeVerification, document, subject, v.Predicate.Created)
}

// WithdrawalManifest derives the manifest of a withdrawal of an object, and its config blob (the canonical withdrawal.json).
// subject describes the manifest of the object. A document that is not acceptable gives *schema.Invalid.
func WithdrawalManifest(w *schema.Withdrawal, subject Descriptor) (*Manifest, []byte, error) {
	document, err := schema.Canonical(w)
	if err != nil {
		return nil, nil, schema.Invalidf(schema.PathWithdrawal, "", "%v", err)
	}
	if _, err := schema.ReadWithdrawal(schema.PathWithdrawal, document); err != nil {
		return nil, nil, err
	}
	if w.Digest != subject.Digest {
		return nil, nil, schema.Invalidf(schema.PathWithdrawal, "digest", "is %s, not %s", w.Digest, subject.Digest)
	}
	return recordManifest(schema.PathWithdrawal, schema.MediaTypeWithdrawal, document, subject, w.Created)
}

// LoadWithdrawal reads and checks the document of a withdrawal's manifest, which must be about the same object.
func LoadWithdrawal(ctx context.Context, blobs Blobs, m *Manifest) (*schema.Withdrawal, error) {
	b, err := loadConfig(ctx, blobs, m, schema.MediaTypeWithdrawal)
	if err != nil {
		return nil, err
	}
	w, err := schema.ReadWithdrawal(schema.PathWithdrawal, b)
	if err != nil {
		return nil, err
	}
	if w.Digest != m.Subject.Digest {
		return nil, schema.Invalidf(schema.PathWithdrawal, "digest", "is %s, but its manifest is about %s", w.Digest, m.Subject.Digest)
	}
	return w, nil
}

// recordManifest is the manifest of a document about an object.
func recordManifest(path, mediaType string, document []byte, subject Descriptor, created string) (*Manifest, []byte, error) {
	m := &Manifest{
		ArtifactType: mediaType,
		Config:       fileDescriptor(path, mediaType, schema.DigestOf(document), int64(len(document))),
		Subject:      &subject,
		Annotations:  map[string]string{annotationCreated: created},
	}
	return m, document, m.check(path)
}

func newManifest(path, mediaType string, document []byte, layers []Descriptor, annotations map[string]string) (*Manifest, []byte, error) {
	maps.DeleteFunc(annotations, func(_, value string) bool { return value == "" })
	m := &Manifest{
		ArtifactType: mediaType,
		Config:       fileDescriptor(path, mediaType, schema.DigestOf(document), int64(len(document))),
		Layers:       layers,
		Annotations:  annotations,
	}
	if err := m.check(path); err != nil {
		return nil, nil, err
	}
	return m, document, nil
}

// closureLayers are the files of a closure.
func closureLayers(c *schema.Closure) []Descriptor {
	layers := make([]Descriptor, 0, len(c.Files))
	for _, f := range c.Files {
		layers = append(layers, fileDescriptor(f.Path, f.MediaType, f.Digest, f.Size))
	}
	sortLayers(layers)
	return layers
}

// datasetLayers are the shards of a dataset.
func datasetLayers(d *schema.Dataset) []Descriptor {
	var layers []Descriptor
	for _, s := range d.Splits {
		for _, shard := range s.Shards {
			layers = append(layers, fileDescriptor(shard.Path, schema.MediaTypeRecords, shard.Digest, shard.Size))
		}
	}
	sortLayers(layers)
	return layers
}

func sortLayers(layers []Descriptor) {
	slices.SortFunc(layers, func(a, b Descriptor) int { return strings.Compare(a.Path(), b.Path()) })
}

// Bytes is the manifest as it is stored.
func (m *Manifest) Bytes() []byte {
	e := encodedManifest{
		SchemaVersion: 2, MediaType: MediaTypeManifest, ArtifactType: m.ArtifactType,
		Config: m.Config, Layers: m.Layers, Subject: m.Subject, Annotations: m.Annotations,
	}
	if e.Layers == nil {
		e.Layers = []Descriptor{}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		panic("a manifest of strings and integers encodes: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Digest is the digest of the object.
func (m *Manifest) Digest() schema.Digest { return schema.DigestOf(m.Bytes()) }

// Blobs lists every blob that the manifest names: its document, then its files.
func (m *Manifest) Blobs() []Descriptor { return append([]Descriptor{m.Config}, m.Layers...) }

// Layer returns the file of that path, or false.
func (m *Manifest) Layer(path string) (Descriptor, bool) {
	for _, l := range m.Layers {
		if l.Path() == path {
			return l, true
		}
	}
	return Descriptor{}, false
}

// sameLayers says where a document, which derives want, names other files than the manifest.
func (m *Manifest) sameLayers(document, place string, want []Descriptor) error {
	if len(want) != len(m.Layers) {
		return schema.Invalidf(document, place, "names %d files, but its manifest has %d", len(want), len(m.Layers))
	}
	for i, w := range want {
		l := m.Layers[i]
		if l.Path() != w.Path() || l.Digest != w.Digest || l.Size != w.Size || l.MediaType != w.MediaType {
			return schema.Invalidf(document, place, "its manifest has %s (%s, %d bytes) where the document has %s (%s, %d bytes)",
				l.Path(), l.Digest, l.Size, w.Path(), w.Digest, w.Size)
		}
	}
	return nil
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

func authors(list []schema.Author) string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.Name
		if a.Email != "" {
			names[i] += " <" + a.Email + ">"
		}
	}
	return strings.Join(names, ", ")
}
