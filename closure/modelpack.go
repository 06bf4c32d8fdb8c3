package closure

import (
	"bytes"
	"encoding/json"

	"github.com/reprise-ml/reprise/schema"
)

// Media types of ModelPack's manifest and config (https://github.com/modelpack/model-spec/blob/v0.0.7/docs/spec.md).
const (
	MediaTypeModelPack       = "application/vnd.cncf.model.manifest.v1+json"
	MediaTypeModelPackConfig = "application/vnd.cncf.model.config.v1+json"
	mediaTypeModelPackCode   = "application/vnd.cncf.model.code.v1.raw"
	mediaTypeModelPackConfig = "application/vnd.cncf.model.weight.config.v1.raw"
)

// modelPackConfig is the config of a ModelPack manifest.
type modelPackConfig struct {
	Descriptor modelPackDescriptor `json:"descriptor"`
	ModelFS    modelPackFiles      `json:"modelfs"`
	Config     modelPackModel      `json:"config"`
}

type modelPackDescriptor struct {
	CreatedAt   string   `json:"createdAt,omitempty"`
	Authors     []string `json:"authors,omitempty"`
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	Licenses    []string `json:"licenses,omitempty"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
}

// modelPackFiles lists the digests of the uncompressed layers, which ours are.
type modelPackFiles struct {
	Type    string          `json:"type"`
	DiffIDs []schema.Digest `json:"diffIds"`
}

type modelPackModel struct {
	Format    string `json:"format"`
	Precision string `json:"precision"`
}

// ModelPack derives a second manifest of a closure, in the form of ModelPack, and its config blob: for tools that know models and
// not closures. Its layers are the blobs of the closure, and one is closure.json, so it stores nothing twice; its subject is
// the closure, so it is found as a referrer. The same closure gives the same bytes. A document that is not acceptable gives
// *schema.Invalid.
func ModelPack(c *schema.Closure) (manifest, config []byte, err error) {
	m, document, err := ClosureManifest(c)
	if err != nil {
		return nil, nil, err
	}
	layers := append([]Descriptor{fileDescriptor(schema.PathClosure, mediaTypeModelPackConfig, schema.DigestOf(document), int64(len(document)))}, m.Layers...)
	sortLayers(layers)
	files := modelPackFiles{Type: "layers", DiffIDs: []schema.Digest{}}
	for i, l := range layers {
		layers[i].MediaType = modelPackType(l)
		files.DiffIDs = append(files.DiffIDs, l.Digest)
	}
	about := modelPackDescriptor{CreatedAt: c.Created, Name: c.Name, Version: c.Version, Title: c.Title, Description: c.Description}
	for _, a := range c.Authors {
		about.Authors = append(about.Authors, authors([]schema.Author{a}))
	}
	if c.License != "" {
		about.Licenses = []string{c.License}
	}
	config, err = schema.Canonical(modelPackConfig{about, files, modelPackModel{Format: "safetensors", Precision: "float32"}})
	if err != nil {
		return nil, nil, schema.Invalidf(schema.PathClosure, "", "%v", err)
	}
	b := m.Bytes()
	view := encodedManifest{
		SchemaVersion: 2, MediaType: MediaTypeManifest, ArtifactType: MediaTypeModelPack,
		Config:      Descriptor{MediaType: MediaTypeModelPackConfig, Digest: schema.DigestOf(config), Size: int64(len(config))},
		Layers:      layers,
		Subject:     &Descriptor{MediaType: MediaTypeManifest, Digest: schema.DigestOf(b), Size: int64(len(b))},
		Annotations: m.Annotations,
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(view); err != nil {
		return nil, nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), config, nil
}

// modelPackType is the media type that ModelPack has for a file of a closure.
func modelPackType(d Descriptor) string {
	switch d.MediaType {
	case schema.MediaTypeEngine:
		return mediaTypeModelPackCode
	case schema.MediaTypeWeights, schema.MediaTypeDocument, mediaTypeModelPackConfig:
		return d.MediaType
	case schema.MediaTypeState:
		return schema.MediaTypeWeights
	}
	return schema.MediaTypeDocument // journal and telemetry
}
