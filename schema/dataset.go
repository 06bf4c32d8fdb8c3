package schema

// Dataset is dataset.json.
type Dataset struct {
	SchemaVersion int          `json:"schemaVersion"` // 1
	Name          string       `json:"name"`
	Version       string       `json:"version"`
	Title         string       `json:"title,omitempty"`
	Description   string       `json:"description,omitempty"`
	License       string       `json:"license,omitempty"`
	Citation      string       `json:"citation,omitempty"`
	Created       string       `json:"created,omitempty"`  // RFC 3339
	Classes       []string     `json:"classes,omitempty"`  // label texts by class index; empty for a regression
	Features      []string     `json:"features,omitempty"` // column names of a table
	Record        RecordLayout `json:"record"`
	Splits        []Split      `json:"splits"` // sorted by name
	Sources       []Source     `json:"sources,omitempty"`
	// Statistics of the train split (or of the only one), per feature: the last axis of the input, which for a table
	// is every column and for an image every channel.
	Statistics *Statistics `json:"statistics,omitempty"`
	// Content is the content digest: over the records in order, whatever the sharding.
	Content Digest `json:"content"`
}

// RecordLayout is the fixed layout of one record. The host copies these bytes and never converts them.
type RecordLayout struct {
	Size   int   `json:"size"` // bytes
	Input  Field `json:"input"`
	Target Field `json:"target"`
}

// Field is a tensor inside a record, little endian, C order.
type Field struct {
	Offset int    `json:"offset"`
	DType  string `json:"dtype"` // u8, u16 or f32
	Shape  []int  `json:"shape"` // empty for a scalar, such as a class index
}

// Bytes is the size of the field.
func (f Field) Bytes() int { return Elements(f.Shape) * DTypeSize(f.DType) }

// Split is a named run of records, cut into shards of whole records.
type Split struct {
	Name    string  `json:"name"`
	Records int64   `json:"records"`
	Shards  []Shard `json:"shards"`
}

// Shard is a file of whole records.
type Shard struct {
	Path    string `json:"path"`
	Records int64  `json:"records"`
	Size    int64  `json:"size"`
	Digest  Digest `json:"sha256"`
}

// Source is a file that an importer read, as it was given (a .gz before decompression).
type Source struct {
	Name   string `json:"name"` // base name only: no path of a machine
	Size   int64  `json:"size"`
	Digest Digest `json:"sha256"`
}

// Statistics are per-feature constants of the train split, in float64.
type Statistics struct {
	Mean      []float64 `json:"mean"`
	Deviation []float64 `json:"deviation"` // population standard deviation; 1 where a feature is constant
}

// Split returns the split of that name, or false.
func (d *Dataset) Split(name string) (Split, bool) {
	for _, s := range d.Splits {
		if s.Name == name {
			return s, true
		}
	}
	return Split{}, false
}

// DTypeSize is the size in bytes of an element of a dtype that records, regions and tensors use, or 0 if it is none.
func DTypeSize(dtype string) int {
	switch dtype {
	case "u8", "i8":
		return 1
	case "u16", "i16":
		return 2
	case "u32", "i32", "f32":
		return 4
	case "i64", "f64":
		return 8
	}
	return 0
}

// Elements is the product of a shape, 1 for a scalar.
func Elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
