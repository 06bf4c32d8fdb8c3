package zoo

import (
	"path"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// The tree that a directory and an S3 prefix share. Paths are relative to its root and use slashes.
const (
	LayoutPath    = "oci-layout"
	BlobsPath     = "blobs/sha256"
	RefsPath      = "refs"
	ReferrersPath = "referrers/sha256"
	UploadsPath   = "uploads"
)

// LayoutDocument is the content of oci-layout.
const LayoutDocument = `{"imageLayoutVersion":"1.0.0"}`

const entrySuffix = ".json"

// BlobPath is where a blob lies.
func BlobPath(d schema.Digest) string { return BlobsPath + "/" + d.Hex() }

// VersionsPath is the folder of a name's versions.
func VersionsPath(name string) string { return path.Join(RefsPath, name, "v") }

// VersionPath is where the entry of a version lies.
func VersionPath(name, version string) string {
	return VersionsPath(name) + "/" + version + entrySuffix
}

// TagsPath is the folder of a name's tags.
func TagsPath(name string) string { return path.Join(RefsPath, name, "tags") }

// TagPath is where the entry of a tag lies.
func TagPath(name, tag string) string { return TagsPath(name) + "/" + tag + entrySuffix }

// SubjectPath is the folder of the referrers of a subject.
func SubjectPath(subject schema.Digest) string { return ReferrersPath + "/" + subject.Hex() }

// ReferrerPath is where the marker of a referrer lies.
func ReferrerPath(subject, referrer schema.Digest) string {
	return SubjectPath(subject) + "/" + referrer.Hex() + entrySuffix
}

// ReferrerOf reads the digest of a referrer from the file name of its marker.
func ReferrerOf(file string) (schema.Digest, bool) {
	h, ok := strings.CutSuffix(file, entrySuffix)
	if !ok {
		return schema.Digest{}, false
	}
	d, err := schema.DigestFromHex(h)
	return d, err == nil
}

// VersionOf reads a version from the file name of its entry. Files that are not entries of a version are no versions.
func VersionOf(file string) (string, bool) {
	version, ok := strings.CutSuffix(file, entrySuffix)
	return version, ok && schema.CheckVersion(version) == nil
}

// TagOf reads a tag from the file name of its entry.
func TagOf(file string) (string, bool) {
	tag, ok := strings.CutSuffix(file, entrySuffix)
	return tag, ok && schema.CheckTag(tag) == nil
}

// DeletedTag is the document that a deleted tag leaves where a place decides writes by a condition, but not deletions.
const DeletedTag = "{}"

// IsDeletedTag reports whether a document of that many bytes is DeletedTag: every entry is longer.
func IsDeletedTag(p string, size int64) bool {
	return size == int64(len(DeletedTag)) && strings.HasPrefix(p, RefsPath+"/") && path.Base(path.Dir(p)) == path.Base(TagsPath(""))
}

// NameOf reads the name from the path of a version's or tag's entry.
func NameOf(entryPath string) string {
	return strings.TrimPrefix(path.Dir(path.Dir(entryPath)), RefsPath+"/")
}

// ScannedVersion reads name and version from a path of the tree; what is no entry of a version is false.
func ScannedVersion(p string) (NamedVersion, bool) {
	name := NameOf(p)
	version, ok := VersionOf(path.Base(p))
	return NamedVersion{name, version}, ok && schema.CheckName(name) == nil && VersionPath(name, version) == p
}

// ScannedMarker reads subject and referrer from a path of the tree; what is no marker is false.
func ScannedMarker(p string) (Marker, bool) {
	referrer, ok := ReferrerOf(path.Base(p))
	subject, err := schema.DigestFromHex(path.Base(path.Dir(p)))
	return Marker{subject, referrer}, ok && err == nil && ReferrerPath(subject, referrer) == p
}
