package schema

import "encoding/json"

// DiffReport answers `reprise diff --json`: two closures, or two datasets, and all in which they differ.
type DiffReport struct {
	A Compared `json:"a"`
	B Compared `json:"b"`
	// Same says that the two are one object: their manifests are equal, byte for byte.
	Same bool `json:"same"`
	// Fields are those of the documents, in the order of their paths: results and files are lists of their own.
	Fields  []FieldDifference  `json:"fields"`
	Results []ResultDifference `json:"results"` // claims of both, also where they are equal
	Tensors []TensorDifference `json:"tensors"` // all parameters, unless the files are equal
	Journal *JournalDifference `json:"journal,omitempty"`
	Files   []FileDifference   `json:"files"`
}

// Compared is an object that is compared. Version is empty where it has none, as in a reference by digest.
type Compared struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Digest  Digest `json:"digest"`
	Kind    string `json:"kind"` // closure or dataset
}

// FieldDifference is a value of a document: what it is in either, absent where one has none. Elements of lists are named by what
// identifies them, as in model.layers.conv1.conv2d.filters.
type FieldDifference struct {
	Path string          `json:"path"`
	A    json.RawMessage `json:"a,omitempty"`
	B    json.RawMessage `json:"b,omitempty"`
}

// ResultDifference is a claim of a metric on a split. Difference is B less A, of accuracies as fractions and of mean losses; it is absent
// where one claims nothing.
type ResultDifference struct {
	Metric     string      `json:"metric"`
	Split      string      `json:"split"`
	A          *ClaimValue `json:"a,omitempty"`
	B          *ClaimValue `json:"b,omitempty"`
	Difference *float64    `json:"difference,omitempty"`
}

// TensorDifference compares a parameter by the values that both have. Max and Mean are of the absolute differences; they are absent where
// shapes or types differ, or a value is not finite.
type TensorDifference struct {
	Name  string      `json:"name"`
	A     *TensorType `json:"a,omitempty"`
	B     *TensorType `json:"b,omitempty"`
	Equal bool        `json:"equal"` // type, shape and every bit
	Max   *float64    `json:"max,omitempty"`
	Mean  *float64    `json:"mean,omitempty"`
}

// TensorType is what a tensor is before it has values.
type TensorType struct {
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
}

// JournalDifference is the first line after the header that differs; lines count from 1. The text is absent where that journal has ended.
type JournalDifference struct {
	Line int64  `json:"line"`
	A    string `json:"a,omitempty"`
	B    string `json:"b,omitempty"`
}

// FileDifference is a file, or a shard, that is not the same in both.
type FileDifference struct {
	Path string     `json:"path"`
	A    *FileState `json:"a,omitempty"`
	B    *FileState `json:"b,omitempty"`
}

// FileState is a file's content.
type FileState struct {
	Digest Digest `json:"sha256"`
	Size   int64  `json:"size"`
}
