package closure

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/reprise-ml/reprise/schema"
)

// imagesUsage says which files the importer wants.
const imagesUsage = "a split of images is one folder, or one ZIP or TAR archive, of folders named like the classes"

// ImportImages makes a dataset of images in folders that are named like their classes: of a folder, a ZIP archive, or a TAR
// archive (plain or gzipped) for each split; where no split is named, folders train, test and validation are found. Images
// are JPEG, PNG or GIF (the first frame), decoded as DecodePicture does, brought to one size as Picture.Resize does, and
// stored as u8 in the shape [height, width, channels]. Without Resize, all must have the same size. The classes are the
// names of the folders, sorted by bytes, unless options list them in another order; the target is u8, or u16 beyond 256
// classes. Hidden files and those that are no images by their name are passed over and counted; symbolic links, names that
// lead out of an archive, and whatever is larger than it should be are refused.
//
// The same images give the same records, whatever they come in. The provenance of an archive is its digest, that of a
// folder the digest of its listing in the format of sha256sum, sorted by path.
func ImportImages(ctx context.Context, options Import, sink BlobSink) (*schema.Dataset, *Manifest, error) {
	splits, err := options.splits(1, imagesUsage)
	if err != nil {
		return nil, nil, err
	}
	if err := options.only(imageFolders, "an image"); err != nil {
		return nil, nil, err
	}
	if c := options.Channels; c != 0 && c != 1 && c != 3 {
		return nil, nil, schema.Invalidf(options.Name, "channels", "%d; an image has 1 (grey) or 3 (red, green and blue)", c)
	}
	if h, w := options.Resize[0], options.Resize[1]; options.Resize != [2]int{} && (h < 1 || w < 1 || h > maxElements/3/w) {
		return nil, nil, schema.Invalidf(options.Name, "resize", "%d×%d; height and width are at least 1, and an image has at most %d elements", h, w, maxElements)
	}
	im := imageImport{options: options}
	for _, s := range splits {
		name := s.Name
		if len(options.Splits) == 1 {
			name = options.Splits[0].Name // which may be empty
		}
		if err := im.read(ctx, name, s.Files[0]); err != nil {
			return nil, nil, err
		}
	}
	builder, err := im.build()
	if err != nil {
		return nil, nil, err
	}
	if err := im.holdOut(builder); err != nil {
		return nil, nil, err
	}
	return builder.Finish(ctx, sink)
}

// imageImport is the state of an import. Pixels are kept, as red, green and blue, until the last image was read, because
// only then the classes and channels are known.
type imageImport struct {
	options Import
	first   string // path of the first image, which gives the size where options do not
	height  int
	width   int
	large   sync.Mutex // held while a large picture is decoded
	pixels  *arena
	images  []storedImage
	sources []schema.Source
	colour  bool // an image has colours
	skipped int64
}

// storedImage is an image and where its pixels are.
type storedImage struct {
	imagePlace
	pixels int
}

// place adds the images of a folder or archive, whose pixels are the last of the arena.
func (im *imageImport) place(split string, files *imageFiles, paths []string, digests []schema.Digest) error {
	if len(paths) == 0 {
		return schema.Invalidf(files.name, "", "there is no JPEG, PNG or GIF image in it, but %d other files", files.skipped)
	}
	places, err := placeImages(paths, split)
	if err != nil {
		return schema.Invalidf(files.name, "", "%v", err)
	}
	start := im.pixels.n - len(paths)
	for i, p := range places {
		im.images = append(im.images, storedImage{p, start + i})
	}
	if files.source == nil {
		lines := make([]string, len(paths))
		for i, p := range paths {
			lines[i] = p + "\x00" + digests[i].Hex()
		}
		slices.Sort(lines)
		var listing strings.Builder
		for _, line := range lines {
			p, digest, _ := strings.Cut(line, "\x00")
			fmt.Fprintf(&listing, "%s  %s\n", digest, p)
		}
		text := []byte(listing.String())
		files.source = &schema.Source{Name: files.name + ".sha256", Size: int64(len(text)), Digest: schema.DigestOf(text)}
	}
	im.sources = append(im.sources, *files.source)
	return nil
}

// build makes records of the images, in the order of their splits and paths.
func (im *imageImport) build() (*Builder, error) {
	classes, err := im.classes()
	if err != nil {
		return nil, err
	}
	channels := im.options.Channels
	switch {
	case channels == 0 && im.colour:
		channels = 3
	case channels == 0:
		channels = 1
	}
	size := im.height * im.width * channels
	target := schema.Field{Offset: size, DType: "u8", Shape: []int{}}
	if len(classes) > 256 {
		target.DType = "u16"
	}
	document := im.options.document(schema.RecordLayout{
		Size:   size + target.Bytes(),
		Input:  schema.Field{Offset: 0, DType: "u8", Shape: []int{im.height, im.width, channels}},
		Target: target,
	})
	document.Classes = classes
	document.Sources = im.sources
	b, err := NewBuilder(document, BuilderOptions{Seed: im.options.Seed, Memory: im.options.Memory})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(im.images, func(a, b storedImage) int {
		return cmp.Or(strings.Compare(a.split, b.split), strings.Compare(a.path, b.path), cmp.Compare(a.pixels, b.pixels))
	})
	numbers := map[string]int{}
	for i, c := range classes {
		numbers[c] = i
	}
	record := make([]byte, 0, document.Record.Size+1)
	for _, image := range im.images {
		if record = record[:0]; channels == 1 {
			record = greyPixels(record, im.pixels.at(image.pixels))
		} else {
			record = append(record, im.pixels.at(image.pixels)...)
		}
		record = binary.LittleEndian.AppendUint16(record, uint16(numbers[image.class])) // of a u8, the second byte is cut off
		if err := b.Add(image.split, record[:document.Record.Size]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// classes are the names of the folders, sorted, or those of the options.
func (im *imageImport) classes() ([]string, error) {
	found := map[string]storedImage{}
	for _, image := range im.images {
		if _, ok := found[image.class]; !ok {
			found[image.class] = image
		}
	}
	names := slices.Sorted(maps.Keys(found))
	for _, name := range names {
		if printable(name) != name {
			return nil, schema.Invalidf(im.options.Name, "classes", "the folder %q cannot name a class: rename it to printable characters", name)
		}
		if len(im.options.Classes) > 0 && !slices.Contains(im.options.Classes, name) {
			return nil, schema.Invalidf(im.options.Name, "classes", "the folder %s, of %s, is none of the classes %q", name, found[name].path, im.options.Classes)
		}
	}
	if len(im.options.Classes) > 0 {
		names = im.options.Classes
	}
	if len(names) > maxClasses {
		return nil, schema.Invalidf(im.options.Name, "classes", "%d folders; at most %d classes can be told apart", len(names), maxClasses)
	}
	return names, nil
}

// holdOut applies TestFraction, unless folders were splits already.
func (im *imageImport) holdOut(b *Builder) error {
	splits := map[string]bool{}
	for _, image := range im.images {
		splits[image.split] = true
	}
	if im.options.TestFraction != 0 && len(splits) > 1 {
		return schema.Invalidf(im.options.Name, "test fraction", "there are several splits already, as folders: leave it out")
	}
	return im.options.holdOut(b, []SplitFiles{{Name: im.images[0].split}})
}
