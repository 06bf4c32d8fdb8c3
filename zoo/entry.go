package zoo

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// maxEntry is far more than an entry can need; what is larger is not one.
const maxEntry = 64 << 10

// Entry points to an object. As a document it lies under refs/ and referrers/.
type Entry struct {
	// ArtifactType is the media type of the object: schema.MediaTypeClosure, schema.MediaTypeDataset, …
	ArtifactType string `json:"artifactType"`
	// Created is the object's own date (RFC 3339), so that a mirror's entries equal those of its origin; it may be empty.
	Created string `json:"created,omitempty"`
	// Digest, MediaType and Size describe the object's manifest.
	Digest    schema.Digest `json:"digest"`
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"size"`
}

// mediaType is the form of RFC 6838 without parameters.
var mediaType = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$`)

// Check returns *schema.Invalid, naming document, unless the entry is complete.
func (e Entry) Check(document string) error {
	switch {
	case e.Digest.IsZero():
		return schema.Invalidf(document, "digest", "is missing")
	case !mediaType.MatchString(e.MediaType):
		return schema.Invalidf(document, "mediaType", "%q is not a media type", e.MediaType)
	case !mediaType.MatchString(e.ArtifactType):
		return schema.Invalidf(document, "artifactType", "%q is not a media type", e.ArtifactType)
	case e.Size <= 0 || e.Size > closure.MaxManifest:
		return schema.Invalidf(document, "size", "%d is not the size of a manifest (1 to %d bytes)", e.Size, closure.MaxManifest)
	}
	if e.Created != "" {
		if _, err := time.Parse(time.RFC3339, e.Created); err != nil {
			return schema.Invalidf(document, "created", "%q is not a date such as 2026-01-31T12:00:00Z", e.Created)
		}
	}
	return nil
}

// Encode writes the entry as the bytes of its document, which equal entries share. The entry must be valid.
func (e Entry) Encode() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the fields above are in canonical order and hold plain ASCII: this is canonical JSON
	if err := enc.Encode(e); err != nil {
		panic(err) // no field of an entry can fail to encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// DecodeEntry reads the document of an entry; path says where it lies. It refuses everything that Encode does not write,
// with *schema.Invalid.
func DecodeEntry(path string, doc []byte) (Entry, error) {
	if len(doc) > maxEntry {
		return Entry{}, schema.Invalidf(path, "", "%d bytes are too many for an entry", len(doc))
	}
	var e Entry
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return Entry{}, schema.Invalidf(path, "", "is not an entry: %v", err)
	}
	if err := e.Check(path); err != nil {
		return Entry{}, err
	}
	// Comparing with what would be written refuses duplicate keys, other spellings and trailing bytes at once. A line
	// end is forgiven: editors and web servers add one.
	if !bytes.Equal(bytes.TrimSuffix(doc, []byte("\n")), e.Encode()) {
		return Entry{}, schema.Invalidf(path, "", "is not in canonical form")
	}
	return e, nil
}

// ReadEntry reads and decodes the document of an entry.
func ReadEntry(path string, r io.Reader) (Entry, error) {
	doc, err := io.ReadAll(io.LimitReader(r, maxEntry+1))
	if err != nil {
		return Entry{}, err
	}
	return DecodeEntry(path, doc)
}
