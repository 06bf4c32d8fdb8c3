package closure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// ParseManifest reads the manifest of a closure, of a dataset, or of a record about one of them (a verification, a withdrawal).
// It is strict: another layout, another spelling than Bytes writes (which also excludes unknown and duplicate keys), unknown media types, paths that are unsafe or not unique, and
// more than MaxManifest bytes are refused as *schema.Invalid.
func ParseManifest(b []byte) (*Manifest, error) {
	name := "manifest " + schema.DigestOf(b).Short()
	if len(b) > MaxManifest {
		return nil, schema.Invalidf(name, "", "%d bytes; a manifest has at most %d", len(b), MaxManifest)
	}
	var e encodedManifest
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, schema.Invalidf(name, "", "not a manifest: %v", err)
	}
	if e.SchemaVersion != 2 || e.MediaType != MediaTypeManifest {
		return nil, schema.Invalidf(name, "mediaType", "%q (schema version %d); %q of schema version 2 is needed",
			e.MediaType, e.SchemaVersion, MediaTypeManifest)
	}
	m := &Manifest{ArtifactType: e.ArtifactType, Config: e.Config, Layers: e.Layers, Subject: e.Subject, Annotations: e.Annotations}
	if err := m.check(name); err != nil {
		return nil, err
	}
	if got := m.Bytes(); !bytes.Equal(got, b) {
		return nil, schema.Invalidf(name, fmt.Sprintf("byte %d", firstDifference(got, b)),
			"not as Reprise writes a manifest: unknown or duplicate keys, another order of keys, or white space")
	}
	return m, nil
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// check says what makes a manifest unacceptable.
func (m *Manifest) check(name string) error {
	var title string
	switch m.ArtifactType {
	case schema.MediaTypeClosure:
		title = schema.PathClosure
	case schema.MediaTypeDataset:
		title = PathDataset
	case schema.MediaTypeVerification:
		title = schema.PathVerification
	case schema.MediaTypeWithdrawal:
		title = schema.PathWithdrawal
	default:
		return schema.Invalidf(name, "artifactType", "%q is neither a closure nor a dataset, nor a record about one", m.ArtifactType)
	}
	if m.Config.MediaType != m.ArtifactType {
		return schema.Invalidf(name, "config.mediaType", "%q; it must be the artifact type, %q", m.Config.MediaType, m.ArtifactType)
	}
	if m.Config.Path() != title {
		return schema.Invalidf(name, "config", "its title is %q; it must be %q", m.Config.Path(), title)
	}
	if err := checkDescriptor(m.Config); err != nil {
		return schema.Invalidf(name, "config", "%v", err)
	}
	if m.ArtifactType == schema.MediaTypeVerification || m.ArtifactType == schema.MediaTypeWithdrawal {
		return m.checkReferrer(name)
	}
	if m.Subject != nil {
		return schema.Invalidf(name, "subject", "a %s is about no other object", strings.TrimSuffix(title, ".json"))
	}
	if len(m.Layers) == 0 {
		return schema.Invalidf(name, "layers", "there is none; an object has at least one file")
	}
	paths := map[string]bool{}
	last := ""
	for i, l := range m.Layers {
		place := fmt.Sprintf("layers[%d]", i)
		if err := checkDescriptor(l); err != nil {
			return schema.Invalidf(name, place, "%v", err)
		}
		if want, ok := layerType(m.ArtifactType, l.Path()); !ok || l.MediaType != want {
			return schema.Invalidf(name, place, "a %s does not hold %s of media type %q",
				strings.TrimSuffix(title, ".json"), l.Path(), l.MediaType)
		}
		// A path that is also a folder of another could not be written.
		for p := l.Path(); ; {
			if paths[p] && p == l.Path() {
				return schema.Invalidf(name, place, "%q is there twice", p)
			}
			parent := strings.LastIndexByte(p, '/')
			if parent < 0 {
				break
			}
			p = p[:parent]
			if paths[p] {
				return schema.Invalidf(name, place, "%q is a file and the folder of %q", p, l.Path())
			}
		}
		if l.Path() == title {
			return schema.Invalidf(name, place, "%q is the name of the document", title)
		}
		if l.Path() < last {
			return schema.Invalidf(name, place, "%q comes after %q; layers are sorted by path", l.Path(), last)
		}
		last = l.Path()
		paths[l.Path()] = true
	}
	if len(m.Bytes()) > MaxManifest {
		return schema.Invalidf(name, "", "the manifest has more than %d bytes; use fewer, larger files", MaxManifest)
	}
	return nil
}

// checkReferrer says what makes the manifest of a record unacceptable: it is its document, about the manifest of another object.
func (m *Manifest) checkReferrer(name string) error {
	s := m.Subject
	switch {
	case s == nil:
		return schema.Invalidf(name, "subject", "is missing; a record is about an object")
	case s.MediaType != MediaTypeManifest:
		return schema.Invalidf(name, "subject.mediaType", "%q; it must be %q", s.MediaType, MediaTypeManifest)
	case s.Digest.IsZero() || s.Size <= 0 || s.Size > MaxManifest || len(s.Annotations) > 0:
		return schema.Invalidf(name, "subject", "it must have the digest and size of a manifest, and no annotations")
	case len(m.Layers) > 0:
		return schema.Invalidf(name, "layers", "a record has no files but its document")
	}
	return nil
}

// layerType is the media type that a file of an object must have, or false where the object cannot hold it.
func layerType(artifactType, path string) (string, bool) {
	if artifactType == schema.MediaTypeDataset {
		return schema.MediaTypeRecords, true
	}
	_, mediaType, ok := Classify(path)
	return mediaType, ok
}

func checkDescriptor(d Descriptor) error {
	if d.Digest.IsZero() {
		return errors.New("it has no digest")
	}
	if d.Size < 0 || d.Size >= 1<<53 {
		return fmt.Errorf("%d is not a size", d.Size)
	}
	if len(d.Annotations) != 2 || d.Annotations[AnnotationFilepath] != d.Path() {
		return fmt.Errorf("it must have the annotations %s and %s, with equal values, and no other", AnnotationTitle, AnnotationFilepath)
	}
	return CheckPath(d.Path())
}

// pathText is what every file system and registry can hold; no part begins with a dot, so none is "..".
var pathText = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._+@-]*(/[A-Za-z0-9_-][A-Za-z0-9._+@-]*)*$`)

// maxPath is what most file systems take for one name.
const maxPath = 255

// CheckPath says why a path inside an object is unsafe, or returns nil: it must be relative and clean, with forward slashes,
// and made of letters, digits and . _ + @ - only.
func CheckPath(path string) error {
	switch {
	case path == "":
		return errors.New("it has no path")
	case len(path) > maxPath:
		return fmt.Errorf("the path %.20q… is longer than %d bytes", path, maxPath)
	case !pathText.MatchString(path):
		return fmt.Errorf("%q is not a path inside an object: parts of letters, digits and . _ + @ - (not first a dot) with / between them", path)
	}
	return nil
}
