package closure_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

// Containers of files by path: the three that the importer reads.

func folderOf(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "animals")
	for name, b := range files {
		writeFile(t, dir, name, b)
	}
	return dir
}

func zipOf(t *testing.T, files map[string][]byte) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := must(w.Create(name))(t)
		f.Write(files[name])
	}
	w.Close()
	return writeFile(t, t.TempDir(), "animals.zip", b.Bytes())
}

func tarOf(t *testing.T, files map[string][]byte) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(files))) {
		w.WriteHeader(&tar.Header{Name: name, Size: int64(len(files[name])), Mode: 0o644, Typeflag: tar.TypeReg})
		w.Write(files[name])
	}
	w.Close()
	return writeFile(t, t.TempDir(), "animals.tar.gz", gzipped(b.Bytes()))
}

// importImages imports a folder or archive.
func importImages(t *testing.T, path string, change func(*closure.Import)) (*closuretest.Memory, *schema.Dataset, error) {
	t.Helper()
	o := closure.Import{Name: "animals", Version: "1.0.0", Splits: []closure.SplitFiles{{Files: []string{path}}}}
	if change != nil {
		change(&o)
	}
	store := new(closuretest.Memory)
	d, _, err := closure.ImportImages(t.Context(), o, store)
	return store, d, err
}

// images are the records of a split as "pixels → class" lines, sorted.
func images(store *closuretest.Memory, d *schema.Dataset, split string) []string {
	s, _ := d.Split(split)
	all := stored(store, s)
	var lines []string
	for i := range int(s.Records) {
		r := all[i*d.Record.Size:][:d.Record.Size]
		class := int(r[d.Record.Target.Offset])
		if d.Record.Target.DType == "u16" {
			class |= int(r[d.Record.Target.Offset+1]) << 8
		}
		lines = append(lines, fmt.Sprintf("%d → %s", r[:d.Record.Target.Offset], d.Classes[class]))
	}
	slices.Sort(lines)
	return lines
}

func grey(v byte) []byte { return colourPNG(1, 2, color.NRGBA{v, v, v, 255}) }

func red(v byte) []byte { return colourPNG(1, 2, color.NRGBA{v, 0, 0, 255}) }

func TestImportImages(t *testing.T) {
	type result struct {
		Classes []string
		Shape   []int
		Splits  map[string][]string
	}
	pets := map[string][]byte{"dog/b.png": grey(2), "dog/a.png": grey(1), "cat/a.png": grey(3)}
	greys := result{[]string{"cat", "dog"}, []int{1, 2, 1}, map[string][]string{"train": {"[1 1] → dog", "[2 2] → dog", "[3 3] → cat"}}}
	for _, tc := range []struct {
		name   string
		files  map[string][]byte
		change func(*closure.Import)
		want   result
	}{
		{"grey", pets, nil, greys},
		{
			"junk and other files", map[string][]byte{
				"dog/b.png": grey(2), "dog/a.png": grey(1), "cat/a.png": grey(3), ".git/x.png": nil, "cat/.DS_Store": {0}, "dog/._a.png": {0},
				"dog/Thumbs.db": {0}, "README.md": []byte("pets"), "__MACOSX/dog/a.png": {0},
			}, nil, greys,
		},
		{"a folder around", map[string][]byte{"pets/v1/dog/b.png": grey(2), "pets/v1/dog/a.png": grey(1), "pets/v1/cat/a.png": grey(3)}, nil, greys},
		{"folders inside", map[string][]byte{"dog/young/b.png": grey(2), "dog/a.png": grey(1), "cat/x/y/a.png": grey(3)}, nil, greys},
		{"an extension that is wrong", map[string][]byte{"dog/b.JPG": grey(2), "dog/a.gif": grey(1), "cat/a.jpeg": grey(3)}, nil, greys},
		{
			"colour",
			map[string][]byte{"dog/a.png": grey(1), "cat/a.png": red(3)},
			nil,
			result{[]string{"cat", "dog"}, []int{1, 2, 3}, map[string][]string{"train": {"[1 1 1 1 1 1] → dog", "[3 0 0 3 0 0] → cat"}}},
		},
		{
			"colour made grey",
			map[string][]byte{"dog/a.png": grey(1), "cat/a.png": red(200)},
			func(o *closure.Import) { o.Channels = 1 },
			result{[]string{"cat", "dog"}, []int{1, 2, 1}, map[string][]string{"train": {"[1 1] → dog", "[60 60] → cat"}}},
		},
		{
			"grey made colour",
			map[string][]byte{"dog/a.png": grey(1), "cat/a.png": grey(2)},
			func(o *closure.Import) { o.Channels = 3 },
			result{[]string{"cat", "dog"}, []int{1, 2, 3}, map[string][]string{"train": {"[1 1 1 1 1 1] → dog", "[2 2 2 2 2 2] → cat"}}},
		},
		{
			"resized",
			map[string][]byte{"dog/a.png": grey(1), "cat/a.png": colourPNG(5, 3, color.NRGBA{7, 7, 7, 255})},
			func(o *closure.Import) { o.Resize = [2]int{2, 1} },
			result{[]string{"cat", "dog"}, []int{2, 1, 1}, map[string][]string{"train": {"[1 1] → dog", "[7 7] → cat"}}},
		},
		{
			"classes in another order", pets, func(o *closure.Import) { o.Classes = []string{"dog", "bird", "cat"} },
			result{[]string{"dog", "bird", "cat"}, []int{1, 2, 1}, greys.Splits},
		},
		{
			"folders of splits",
			map[string][]byte{"x/train/dog/a.png": grey(1), "x/Test/dog/b.png": grey(2), "x/valid/cat/a.png": grey(3)},
			nil,
			result{[]string{"cat", "dog"}, []int{1, 2, 1}, map[string][]string{"train": {"[1 1] → dog"}, "test": {"[2 2] → dog"}, "validation": {"[3 3] → cat"}}},
		},
		{
			"held out",
			map[string][]byte{"dog/a.png": grey(1), "dog/b.png": grey(1), "cat/a.png": grey(2), "cat/b.png": grey(2)},
			func(o *closure.Import) { o.TestFraction = 0.5 },
			result{[]string{"cat", "dog"}, []int{1, 2, 1}, map[string][]string{"train": {"[1 1] → dog", "[2 2] → cat"}, "test": {"[1 1] → dog", "[2 2] → cat"}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var contents []schema.Digest
			for _, path := range []string{folderOf(t, tc.files), zipOf(t, tc.files), tarOf(t, tc.files)} {
				store, d, err := importImages(t, path, tc.change)
				if err != nil {
					t.Fatal(err)
				}
				if err := closure.VerifyDataset(t.Context(), store, d); err != nil {
					t.Error(err)
				}
				got := result{d.Classes, d.Record.Input.Shape, map[string][]string{}}
				for _, s := range d.Splits {
					got.Splits[s.Name] = images(store, d, s.Name)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s: %s", filepath.Base(path), diff)
				}
				contents = append(contents, d.Content)
			}
			if contents[0] != contents[1] || contents[0] != contents[2] {
				t.Errorf("folder, ZIP and TAR give different records: %v", contents)
			}
		})
	}
}

func TestImportImagesProvenance(t *testing.T) {
	files := map[string][]byte{"dog/a.png": grey(1), "cat/b.png": grey(2), "cat/notes.txt": []byte("x")}
	listing := []byte(schema.DigestOf(grey(2)).Hex() + "  cat/b.png\n" + schema.DigestOf(grey(1)).Hex() + "  dog/a.png\n")
	archive := zipOf(t, files)
	whole := must(os.ReadFile(archive))(t)
	for _, tc := range []struct {
		path string
		want schema.Source
	}{
		{folderOf(t, files), schema.Source{Name: "animals.sha256", Size: int64(len(listing)), Digest: schema.DigestOf(listing)}},
		{archive, schema.Source{Name: "animals.zip", Size: int64(len(whole)), Digest: schema.DigestOf(whole)}},
	} {
		t.Run(tc.want.Name, func(t *testing.T) {
			var last closure.Progress
			_, d, err := importImages(t, tc.path, func(o *closure.Import) { o.Progress = func(p closure.Progress) { last = p } })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]schema.Source{tc.want}, d.Sources, cmp.Comparer(func(a, b schema.Digest) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
			if last.Records != 2 || last.Skipped != 1 || last.Read != last.Size {
				t.Errorf("got progress %+v", last)
			}
		})
	}
}

func TestImportImagesManyClasses(t *testing.T) {
	files := map[string][]byte{}
	for i := range 300 {
		files[fmt.Sprintf("%03d/x.png", i)] = grey(byte(i))
	}
	store, d, err := importImages(t, zipOf(t, files), nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.Record.Target.DType != "u16" || !slices.Contains(images(store, d, "train"), "[43 43] → 299") {
		t.Errorf("got %+v", d.Record)
	}
}

func TestImportImagesLarge(t *testing.T) {
	large := pngOf(image.NewGray(image.Rect(0, 0, 2100, 2000)))
	store, d, err := importImages(t, folderOf(t, map[string][]byte{"a/1.png": large, "a/2.png": large, "b/1.png": grey(9)}), func(o *closure.Import) {
		o.Resize = [2]int{1, 2}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"[0 0] → a", "[0 0] → a", "[9 9] → b"}, images(store, d, "train")); diff != "" {
		t.Error(diff)
	}
}

// The same dataset, or the same complaints, come out whatever the number of processors.
func TestImportImagesInParallel(t *testing.T) {
	good, bad := map[string][]byte{}, map[string][]byte{}
	for i := range 60 {
		name := fmt.Sprintf("%c/%02d.png", 'a'+i%3, i)
		good[name] = colourPNG(1+i%7, 1+i%5, color.NRGBA{byte(i), byte(i * 3), 9, 255})
		if bad[name] = good[name]; i%4 == 3 {
			bad[name] = good[name][:30+i]
		}
	}
	resize := func(o *closure.Import) { o.Resize = [2]int{4, 4} }
	goodFolder, badFolder := folderOf(t, good), folderOf(t, bad)
	var contents, complaints []string
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, processors := range []int{1, 2, 7} {
		runtime.GOMAXPROCS(processors)
		_, d, err := importImages(t, goodFolder, resize)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = importImages(t, badFolder, resize)
		wantInvalid(t, err, "a/03.png: the PNG image")
		contents, complaints = append(contents, d.Content.String()), append(complaints, err.Error())
	}
	if len(slices.Compact(contents)) != 1 || len(slices.Compact(complaints)) != 1 {
		t.Errorf("got %q and %q", contents, complaints)
	}
	if n := strings.Count(complaints[0], "the PNG image"); n != 10 {
		t.Errorf("%d complaints: %s", n, complaints[0])
	}
}

func TestImportImagesRefuses(t *testing.T) {
	pets := map[string][]byte{"cat/a.png": grey(1), "dog/a.png": grey(2)}
	with := func(name string, b []byte) map[string][]byte {
		files := maps.Clone(pets)
		files[name] = b
		return files
	}
	for _, tc := range []struct {
		name   string
		files  map[string][]byte
		change func(*closure.Import)
		want   string
	}{
		{"corrupt", with("dog/b.png", grey(1)[:40]), nil, "dog/b.png: the PNG image"},
		{"several corrupt", map[string][]byte{"cat/a.png": {1}, "dog/a.png": []byte("<html>")}, nil, "dog/a.png: not a JPEG, PNG or GIF image, but XML or HTML"},
		{"giant", with("dog/b.png", pngClaiming(100000, 100000)), nil, "dog/b.png: its header says 100000×100000 pixels"},
		{"two sizes", with("dog/b.png", colourPNG(3, 2, color.NRGBA{})), nil, "give a size for all of them to be resized to"},
		{"another format", with("dog/b.webp", []byte("RIFF")), nil, "dog/b.webp: a .webp image is not read: convert it"},
		{"no images", map[string][]byte{"README": nil, "cat/x.txt": nil}, nil, "there is no JPEG, PNG or GIF image in it, but 2 other files"},
		{"no class", with("a.png", grey(1)), nil, "a.png: it lies in no folder"},
		{"beside classes", map[string][]byte{"x/cat/a.png": grey(1), "x/dog/a.png": grey(1), "x/b.png": grey(1)}, nil, "x/b.png: it lies beside folders of images, such as that of x/"},
		{"not one of the classes", pets, func(o *closure.Import) { o.Classes = []string{"cat"} }, "the folder dog, of dog/a.png, is none of the classes"},
		{"files", pets, func(o *closure.Import) { o.MaxFiles = 1 }, "it has more than 1 files"},
		{"memory", pets, func(o *closure.Import) { o.Memory = 10 }, "the images take more than 10 bytes"},
		{"channels", pets, func(o *closure.Import) { o.Channels = 2 }, "channels: 2; an image has 1 (grey) or 3"},
		{"no height", pets, func(o *closure.Import) { o.Resize = [2]int{0, 3} }, "resize: 0×3"},
		{"a large size", pets, func(o *closure.Import) { o.Resize = [2]int{1 << 20, 1 << 20} }, "resize: 1048576×1048576"},
		{"splits twice", map[string][]byte{"train/cat/a.png": grey(1), "test/cat/a.png": grey(2)}, func(o *closure.Import) { o.TestFraction = 0.5 }, "there are several splits already, as folders"},
		{"label", pets, func(o *closure.Import) { o.Label = "x" }, "an image has no columns"},
		{"tokens", pets, func(o *closure.Import) { o.Tokens = "bytes" }, "tokens is an option of text"},
		{"several folders", pets, func(o *closure.Import) { o.Splits[0].Files = append(o.Splits[0].Files, "x") }, "2 files where 1 are needed: a split of images is one folder"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, path := range []string{folderOf(t, tc.files), zipOf(t, tc.files), tarOf(t, tc.files)} {
				_, _, err := importImages(t, path, tc.change)
				wantInvalid(t, err, tc.want)
				if strings.Contains(err.Error(), os.TempDir()) {
					t.Errorf("%v names a path of this machine", err)
				}
			}
		})
	}
	t.Run("a class that cannot be shown", func(t *testing.T) {
		_, _, err := importImages(t, folderOf(t, map[string][]byte{"c\u202eat/a.png": grey(1), "dog/a.png": grey(1)}), nil)
		wantInvalid(t, err, `the folder "c\u202eat" cannot name a class`)
	})
	t.Run("not an archive", func(t *testing.T) {
		_, _, err := importImages(t, writeFile(t, t.TempDir(), "x.rar", []byte("Rar!")), nil)
		wantInvalid(t, err, "x.rar: neither a folder nor a ZIP or TAR archive, but text")
	})
	t.Run("not there", func(t *testing.T) {
		_, _, err := importImages(t, filepath.Join(t.TempDir(), "nowhere"), nil)
		wantInvalid(t, err, "nowhere: it cannot be opened: no such file")
	})
	for _, tc := range []struct{ name, link, want string }{
		{"a link to an image", "cat/b.png", "cat/b.png: a symbolic link: only plain files are read"},
		{"a link that is no image", "cat/notes", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			folder := folderOf(t, pets)
			if err := os.Symlink(filepath.Join(folder, "dog/a.png"), filepath.Join(folder, tc.link)); err != nil {
				t.Fatal(err)
			}
			_, _, err := importImages(t, folder, nil)
			if tc.want == "" && err != nil || tc.want != "" && err == nil {
				t.Fatalf("got %v", err)
			}
			if tc.want != "" {
				wantInvalid(t, err, tc.want)
			}
		})
	}
	t.Run("a large file", func(t *testing.T) {
		folder := folderOf(t, pets)
		if err := os.Truncate(filepath.Join(folder, "dog", "a.png"), 65<<20); err != nil {
			t.Fatal(err)
		}
		_, _, err := importImages(t, folder, nil)
		wantInvalid(t, err, "dog/a.png: it has 68157440 bytes; an image may have 67108864")
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := closure.ImportImages(ctx, closure.Import{
			Name: "x", Version: "1.0.0", Splits: []closure.SplitFiles{{Files: []string{folderOf(t, pets)}}},
		}, new(closuretest.Memory))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
