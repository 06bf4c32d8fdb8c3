package closure

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Import says what an importer makes a dataset of. Importers take what concerns them and refuse the rest.
type Import struct {
	Name, Version string
	Title         string
	Description   string
	License       string // SPDX expression
	Citation      string
	Created       string // RFC 3339

	// Splits are the files to read. Without names of its own, a single list of files is the split "train".
	Splits []SplitFiles
	// TestFraction, where it is not 0, holds that part of the only split out as the split "test": per class, with seed 0;
	// of a text, its end.
	TestFraction float64
	// Classes are the label texts, where the files do not say them. A label that has none is then an error.
	Classes []string

	// Label is the column of a table that holds the class (or the target of a regression): its name, or its index counted
	// from 0. Empty means the last one.
	Label string
	// Header says that the first line of a table names its columns.
	Header bool
	// Regression says that the label is a number to be predicted rather than a class.
	Regression bool

	// Resize is the height and width that all images are brought to; zeros mean that they have one size already.
	Resize [2]int
	// Channels of an image: 1 is grey, 3 is red, green and blue; 0 means 1 where every image is grey, else 3.
	Channels int
	// Tokens says what the tokens of a text are: TokensCharacters, which is also the meaning of "", or TokensBytes.
	Tokens string
	// Window is how many tokens of a text make a record; 0 is one, as a scalar.
	Window int

	// Seed of the order of the records.
	Seed uint64
	// MaxBytes bounds what a file may hold after decompression, an archive altogether; 0 means DefaultMaxBytes.
	MaxBytes int64
	// MaxFiles bounds the files of a folder or archive; 0 means DefaultMaxFiles.
	MaxFiles int64
	// Memory bounds the bytes of records; 0 means DefaultMemory.
	Memory int64
	// Progress, where it is not nil, is called now and then, by the goroutine that imports.
	Progress func(Progress)
}

// SplitFiles are the files that a split is read from.
type SplitFiles struct {
	Name  string
	Files []string // paths; what each of them is, the importer says
}

// Progress of an import.
type Progress struct {
	File    string // base name of the file that is being read
	Read    int64  // bytes of it so far, before decompression
	Size    int64  // of Size bytes
	Records int64  // of the whole import so far
	Skipped int64  // files of folders and archives that are no images, so far
}

// Bounds that hold unless an Import says otherwise.
const (
	DefaultMaxBytes = 8 << 30 // of a decompressed file or archive
	DefaultMaxFiles = 1 << 21 // of a folder or archive
)

// Names of splits.
const (
	SplitTrain = "train"
	SplitTest  = "test"
)

// fileKind is what an importer reads, as far as there are options for it alone.
type fileKind int

const (
	recordFiles fileKind = iota // no options of their own
	tableFiles
	imageFolders
	textFiles
)

// only refuses the options that do not concern a kind of files, which the text names.
func (o Import) only(kind fileKind, text string) error {
	switch {
	case kind != tableFiles && (o.Label != "" || o.Header || o.Regression):
		return schema.Invalidf(o.Name, "", "label, header and regression are options of tables: %s has no columns", text)
	case kind != imageFolders && (o.Resize != [2]int{} || o.Channels != 0):
		return schema.Invalidf(o.Name, "", "resize and channels are options of folders of images: %s is taken as it is", text)
	case kind != textFiles && o.Tokens != "":
		return schema.Invalidf(o.Name, "", "tokens is an option of text: %s has none", text)
	case kind != textFiles && o.Window != 0:
		return schema.Invalidf(o.Name, "", "window is an option of text: %s has no tokens", text)
	}
	return nil
}

// splits returns the splits to read, or what is wrong with them or with the names. Each has filesEach files or, where that
// is 0, any number.
func (o Import) splits(filesEach int, usage string) ([]SplitFiles, error) {
	if err := schema.CheckName(o.Name); err != nil {
		return nil, schema.Invalidf(PathDataset, "name", "%v", err)
	}
	if err := schema.CheckVersion(o.Version); err != nil {
		return nil, schema.Invalidf(PathDataset, "version", "%v", err)
	}
	if len(o.Splits) == 0 {
		return nil, schema.Invalidf(o.Name, "splits", "no file to import: %s", usage)
	}
	splits := slices.Clone(o.Splits)
	seen := map[string]bool{}
	for i := range splits {
		s := &splits[i]
		if s.Name == "" && len(splits) == 1 {
			s.Name = SplitTrain
		}
		if err := checkSplitName(s.Name); err != nil {
			return nil, err
		}
		if seen[s.Name] {
			return nil, schema.Invalidf(o.Name, "splits."+s.Name, "the split is given twice")
		}
		seen[s.Name] = true
		if filesEach == 0 && len(s.Files) > 0 {
			continue
		}
		if filesEach == 0 {
			return nil, schema.Invalidf(o.Name, "splits."+s.Name, "no file to import: %s", usage)
		}
		if len(s.Files) != filesEach {
			return nil, schema.Invalidf(o.Name, "splits."+s.Name, "%d files where %d are needed: %s", len(s.Files), filesEach, usage)
		}
	}
	if o.TestFraction != 0 {
		if !(o.TestFraction > 0 && o.TestFraction < 1) {
			return nil, schema.Invalidf(o.Name, "test fraction", "%v is not between 0 and 1", o.TestFraction)
		}
		if len(splits) > 1 {
			return nil, schema.Invalidf(o.Name, "test fraction", "there are several splits already; leave one of the two out")
		}
	}
	return splits, nil
}

func orDefault(n, otherwise int64) int64 {
	if n == 0 {
		return otherwise
	}
	return n
}

// holdOut applies TestFraction to the only split.
func (o Import) holdOut(b *Builder, splits []SplitFiles) error {
	if o.TestFraction == 0 {
		return nil
	}
	return b.HoldOut(splits[0].Name, SplitTest, o.TestFraction, 0)
}

// document starts the dataset.json.
func (o Import) document(record schema.RecordLayout) schema.Dataset {
	return schema.Dataset{
		Name: o.Name, Version: o.Version, Title: o.Title, Description: o.Description,
		License: o.License, Citation: o.Citation, Created: o.Created, Classes: o.Classes, Record: record,
	}
}

func (o Import) report(f *sourceFile, records int64) {
	if o.Progress != nil {
		o.Progress(Progress{File: f.name, Read: f.raw.n, Size: f.size, Records: records})
	}
}

// whatItIs names the kind of a file that begins with these bytes, for the message that it is not the right one.
func whatItIs(b []byte) string {
	for _, kind := range [...]struct{ magic, name string }{
		{"\x89PNG", "a PNG image"},
		{"\xff\xd8\xff", "a JPEG image"},
		{"GIF8", "a GIF image"},
		{"PK\x03\x04", "a ZIP archive: unpack it first"},
		{"\x1f\x8b", "gzip data inside gzip data: decompress it once"},
		{"RIFF", "a WebP image (or another RIFF file)"},
		{"II*\x00", "a TIFF image"},
		{"MM\x00*", "a TIFF image"},
		{"BZh", "a bzip2 file: decompress it first"},
		{"\xfd7zXZ", "an xz file: decompress it first"},
		{"\x28\xb5\x2f\xfd", "a Zstandard file: decompress it first"},
		{"\x93NUMPY", "a NumPy array"},
		{"\x89HDF", "an HDF5 file"},
		{"PAR1", "a Parquet file"},
		{"\x00\x00\x08\x01", "an IDX file of labels"},
		{"\x00\x00\x08\x03", "an IDX file of images"},
		{"\xef\xbb\xbf", "text with a byte order mark"},
		{"\xff\xfe", "UTF-16 text: save it as UTF-8"},
		{"\xfe\xff", "UTF-16 text: save it as UTF-8"},
		{"<", "XML or HTML"},
		{"{", "JSON"},
	} {
		if strings.HasPrefix(string(b), kind.magic) {
			return kind.name
		}
	}
	if len(b) > 0 && !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c > '~' }) {
		return "text"
	}
	return fmt.Sprintf("a file that begins with % x", b[:min(4, len(b))])
}
