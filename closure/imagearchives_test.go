package closure_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io/fs"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// zipWith writes an archive by calls of the writer.
func zipWith(make func(*zip.Writer)) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	make(w)
	w.Close()
	return b.Bytes()
}

// zipFile adds a file, the header of which may be changed.
func zipFile(w *zip.Writer, name string, data []byte, change func(*zip.FileHeader)) {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	if change != nil {
		change(h)
	}
	f, err := w.CreateHeader(h)
	if err != nil {
		panic(err)
	}
	f.Write(data)
}

// zipNamed is an archive of an image with that name, and a proper one.
func zipNamed(name string) []byte {
	return zipWith(func(w *zip.Writer) {
		zipFile(w, name, grey(1), nil)
		zipFile(w, "dog/a.png", grey(2), nil)
	})
}

// raw writes a file whose header says what it likes.
func raw(w *zip.Writer, name string, size, packed uint64, data []byte) {
	f, err := w.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Store, UncompressedSize64: size, CompressedSize64: packed})
	if err != nil {
		panic(err)
	}
	f.Write(data)
}

// overlapping is an archive whose second entry points to the bytes of the first.
func overlapping() []byte {
	b := zipWith(func(w *zip.Writer) {
		zipFile(w, "cat/a.png", grey(1), nil)
		zipFile(w, "dog/a.png", grey(1), nil)
	})
	second := bytes.LastIndex(b, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(b[second+42:], 0) // the offset of its local header
	return b
}

func TestImportImagesHostileZIP(t *testing.T) {
	wrongSum := zipWith(func(w *zip.Writer) {
		zipFile(w, "cat/a.png", grey(1), func(h *zip.FileHeader) { h.Method = zip.Store })
	})
	wrongSum[bytes.Index(wrongSum, grey(1))+20] ^= 1
	withoutDirectory, _, _ := bytes.Cut(wrongSum, []byte("PK\x01\x02"))
	for _, tc := range []struct {
		name string
		file []byte
		max  int64
		want string
	}{
		{"climbing", zipNamed("../cat/a.png"), 0, "../cat/a.png: the name leads out of the archive"},
		{"climbing inside", zipNamed("cat/../../a.png"), 0, "the name leads out of the archive"},
		{"climbing with backslashes", zipNamed(`cat\..\..\a.png`), 0, "the name leads out of the archive"},
		{"absolute", zipNamed("/cat/a.png"), 0, "/cat/a.png: an absolute name"},
		{"a drive", zipNamed(`C:\cat\a.png`), 0, "an absolute name"},
		{"two slashes", zipNamed("cat//a.png"), 0, "not a proper name"},
		{"control characters", zipNamed("cat/\x1b[31m.png"), 0, `"cat/\x1b[31m.png": the name is not printable`},
		{"not UTF-8", zipNamed("cat/\xff.png"), 0, `"cat/\xff.png": the name is not printable`},
		{"twice", zipNamed("dog/a.png"), 0, "dog/a.png: it is there twice"},
		{"symbolic link", zipWith(func(w *zip.Writer) {
			zipFile(w, "cat/a.png", []byte("/etc/passwd"), func(h *zip.FileHeader) { h.SetMode(fs.ModeSymlink | 0o777) })
		}), 0, "cat/a.png: a symbolic link"},
		{"device", zipWith(func(w *zip.Writer) {
			zipFile(w, "cat/a.png", nil, func(h *zip.FileHeader) { h.SetMode(fs.ModeDevice | 0o777) })
		}), 0, "cat/a.png: a device"},
		{"encrypted", zipWith(func(w *zip.Writer) {
			zipFile(w, "cat/a.png", grey(1), func(h *zip.FileHeader) { h.Flags |= 1 })
		}), 0, "cat/a.png: it is encrypted"},
		{"bomb", zipWith(func(w *zip.Writer) { zipFile(w, "cat/a.png", make([]byte, 8<<20), nil) }), 0, "bytes when decompressed: no image does"},
		{"large file", zipWith(func(w *zip.Writer) { raw(w, "cat/a.png", 1<<40, 1<<40, grey(1)) }), 0, "cat/a.png: it has 1099511627776 bytes; an image may have"},
		{"large altogether", zipNamed("cat/a.png"), 100, "it holds more than 100 bytes"},
		{"overlapping", overlapping(), 0, "its bytes are also those of"},
		{"longer than its header says", zipWith(func(w *zip.Writer) { raw(w, "cat/a.png", 20, uint64(len(grey(1))), grey(1)) }), 0, "cat/a.png: it"},
		{"shorter than its header says", zipWith(func(w *zip.Writer) { raw(w, "cat/a.png", 5000, uint64(len(grey(1))), grey(1)) }), 0, "cat/a.png: it has not the bytes"},
		{"unknown compression", zipWith(func(w *zip.Writer) {
			f, _ := w.CreateRaw(&zip.FileHeader{Name: "cat/a.png", Method: 99, UncompressedSize64: 3, CompressedSize64: 3})
			f.Write([]byte("abc"))
		}), 0, "cat/a.png: its compression is not supported"},
		{"damaged", wrongSum, 0, "cat/a.png: its checksum is wrong"},
		{"cut", withoutDirectory, 0, "animals.zip: its directory cannot be read"},
		{"empty", zipWith(func(*zip.Writer) {}), 0, "there is no JPEG, PNG or GIF image in it"},
		{"gzipped", gzipped(zipNamed("cat/a.png")), 0, "animals.zip: its directory cannot be read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := writeFile(t, t.TempDir(), "animals.zip", tc.file)
			_, _, err := importImages(t, path, func(o *closure.Import) { o.MaxBytes = tc.max })
			wantInvalid(t, err, tc.want)
		})
	}
	t.Run("backslashes are converted", func(t *testing.T) {
		_, d, err := importImages(t, writeFile(t, t.TempDir(), "x.zip", zipNamed(`cat\a.png`)), nil)
		if err != nil || len(d.Classes) != 2 {
			t.Errorf("got %+v, %v", d, err)
		}
	})
}

func tarWith(headers ...tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(grey(1)))
		}
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if h.Typeflag == tar.TypeReg {
			w.Write(grey(1))
		}
	}
	w.Close()
	return b.Bytes()
}

func TestImportImagesHostileTAR(t *testing.T) {
	good := tarWith(tar.Header{Name: "./", Typeflag: tar.TypeDir}, tar.Header{Name: "./cat/a.png", Typeflag: tar.TypeReg})
	for _, tc := range []struct {
		name string
		file []byte
		max  int64
		want string
	}{
		{"plain", good, 0, ""},
		{"gzipped", gzipped(good), 0, ""},
		{"symbolic link", tarWith(tar.Header{Name: "cat/a.png", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}), 0, "cat/a.png: a symbolic link"},
		{"hard link", tarWith(tar.Header{Name: "cat/a.png", Linkname: "x", Typeflag: tar.TypeLink}), 0, "cat/a.png: a hard link"},
		{"pipe", tarWith(tar.Header{Name: "cat/a.png", Typeflag: tar.TypeFifo}), 0, "cat/a.png: a device"},
		{"climbing", tarWith(tar.Header{Name: "../a.png", Typeflag: tar.TypeReg}), 0, "the name leads out of the archive"},
		{"absolute", tarWith(tar.Header{Name: "/a.png", Typeflag: tar.TypeReg}), 0, "an absolute name"},
		{"twice", tarWith(tar.Header{Name: "a/a.png", Typeflag: tar.TypeReg}, tar.Header{Name: "a/a.png", Typeflag: tar.TypeReg}), 0, "it is there twice"},
		{"cut", good[:1060], 0, "cat/a.png: it has not the bytes"},
		{"broken", append(bytes.Clone(good[:1536]), bytes.Repeat([]byte("x"), 1024)...), 0, "animals.tar: its TAR data is broken"},
		{"large altogether", gzipped(good), 1200, "animals.tar: it holds more than 1200 bytes when decompressed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := writeFile(t, t.TempDir(), "animals.tar", tc.file)
			_, d, err := importImages(t, path, func(o *closure.Import) { o.MaxBytes = tc.max })
			if tc.want == "" {
				if err != nil || d.Sources[0].Digest != schema.DigestOf(tc.file) {
					t.Fatalf("got %+v, %v", d, err)
				}
				return
			}
			wantInvalid(t, err, tc.want)
		})
	}
}

func FuzzImages(f *testing.F) {
	f.Add(zipNamed("cat/a.png"))
	f.Add(overlapping())
	f.Add(tarWith(tar.Header{Name: "cat/a.png", Typeflag: tar.TypeReg}))
	f.Add(gzipped(tarWith(tar.Header{Name: "x/cat/a.png", Typeflag: tar.TypeReg}, tar.Header{Name: "x/dog/b.png", Typeflag: tar.TypeReg})))
	f.Fuzz(func(t *testing.T, file []byte) {
		path := writeFile(t, t.TempDir(), "animals", file)
		store, d, err := importImages(t, path, func(o *closure.Import) {
			o.MaxBytes, o.MaxFiles, o.Memory, o.Resize = 1<<20, 100, 1<<20, [2]int{2, 2}
		})
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		if err := closure.VerifyDataset(t.Context(), store, d); err != nil {
			t.Error(err)
		}
	})
}
