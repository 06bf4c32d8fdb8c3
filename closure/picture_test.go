package closure_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
)

func pngOf(m image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func jpegOf(m image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// colourPNG is a picture of one colour.
func colourPNG(height, width int, c color.NRGBA) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range height * width {
		m.SetNRGBA(i%width, i/width, c)
	}
	return pngOf(m)
}

// withOrientation puts EXIF data with an orientation into a JPEG, after its first marker.
func withOrientation(b []byte, order binary.AppendByteOrder, orientation uint16) []byte {
	tiff := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		tiff = []byte("MM\x00*")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, entry := range [][3]uint16{{0x0100, 3, 7}, {0x0112, 3, orientation}} {
		tiff = order.AppendUint16(tiff, entry[0])
		tiff = order.AppendUint16(tiff, entry[1])
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, entry[2])
		tiff = append(tiff, 0, 0)
	}
	return withSegment(b, 0xe1, append([]byte("Exif\x00\x00"), tiff...))
}

func withSegment(b []byte, marker byte, data []byte) []byte {
	out := append(bytes.Clone(b[:2]), 0xff, marker)
	out = binary.BigEndian.AppendUint16(out, uint16(2+len(data)))
	return append(append(out, data...), b[2:]...)
}

func TestDecodePictureOrientation(t *testing.T) {
	// Squares of 8×8 pixels, which JPEG keeps apart, in two rows and three columns.
	const a, b, c, d, e, f = 0, 50, 100, 150, 200, 250
	m := image.NewGray(image.Rect(0, 0, 24, 16))
	for i, v := range []byte{a, b, c, d, e, f} {
		for p := range 64 {
			m.SetGray(i%3*8+p%8, i/3*8+p/8, color.Gray{Y: v})
		}
	}
	stored := jpegOf(m)
	upright := []byte{a, b, c, d, e, f}
	for _, tc := range []struct {
		name   string
		file   []byte
		height int
		want   []byte
	}{
		{"none", stored, 2, upright},
		{"1", withOrientation(stored, binary.LittleEndian, 1), 2, upright},
		{"2", withOrientation(stored, binary.LittleEndian, 2), 2, []byte{c, b, a, f, e, d}},
		{"3", withOrientation(stored, binary.LittleEndian, 3), 2, []byte{f, e, d, c, b, a}},
		{"4", withOrientation(stored, binary.LittleEndian, 4), 2, []byte{d, e, f, a, b, c}},
		{"5", withOrientation(stored, binary.LittleEndian, 5), 3, []byte{a, d, b, e, c, f}},
		{"6", withOrientation(stored, binary.LittleEndian, 6), 3, []byte{d, a, e, b, f, c}},
		{"7", withOrientation(stored, binary.BigEndian, 7), 3, []byte{f, c, e, b, d, a}},
		{"8", withOrientation(stored, binary.BigEndian, 8), 3, []byte{c, f, b, e, a, d}},
		{"after another segment", withSegment(withOrientation(stored, binary.BigEndian, 3), 0xe0, []byte("JFIF\x00")), 2, []byte{f, e, d, c, b, a}},
		{"no such orientation", withOrientation(stored, binary.LittleEndian, 9), 2, upright},
		{"cut EXIF", withSegment(stored, 0xe1, []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x05\x01")), 2, upright},
		{"EXIF out of bounds", withSegment(stored, 0xe1, []byte("Exif\x00\x00II*\x00\xff\xff\xff\xff")), 2, upright},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := must(closure.DecodePicture("x.jpg", tc.file))(t)
			got := p.Resize(tc.height, 6/tc.height).Grey()
			for i := range got {
				got[i] = byte((int(got[i]) + 25) / 50 * 50) // JPEG is not exact
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodePicture(t *testing.T) {
	black := color.NRGBA{A: 255}
	frame := image.NewPaletted(image.Rect(1, 0, 2, 1), color.Palette{color.Black, color.White})
	second := image.NewPaletted(image.Rect(0, 0, 3, 1), color.Palette{color.White, color.Black})
	var animated bytes.Buffer
	if err := gif.EncodeAll(&animated, &gif.GIF{
		Image: []*image.Paletted{frame, second}, Delay: []int{1, 1}, Config: image.Config{Width: 3, Height: 1},
	}); err != nil {
		t.Fatal(err)
	}
	deep := image.NewGray16(image.Rect(0, 0, 1, 1))
	deep.SetGray16(0, 0, color.Gray16{Y: 0x80ff})
	for _, tc := range []struct {
		name string
		file []byte
		want closure.Picture
	}{
		{"grey", pngOf(image.NewGray(image.Rect(0, 0, 2, 1))), closure.Picture{Height: 1, Width: 2, RGB: make([]byte, 6)}},
		{"16 bits", pngOf(deep), closure.Picture{Height: 1, Width: 1, RGB: []byte{0x80, 0x80, 0x80}}},
		{"colour", colourPNG(1, 1, color.NRGBA{1, 2, 3, 255}), closure.Picture{Height: 1, Width: 1, RGB: []byte{1, 2, 3}}},
		{"transparent", colourPNG(1, 1, color.NRGBA{1, 2, 3, 0}), closure.Picture{Height: 1, Width: 1, RGB: []byte{255, 255, 255}}},
		{"half transparent", colourPNG(1, 1, color.NRGBA{0, 0, 0, 51}), closure.Picture{Height: 1, Width: 1, RGB: []byte{204, 204, 204}}},
		{"first frame, a part of the screen", animated.Bytes(), closure.Picture{Height: 1, Width: 3, RGB: []byte{255, 255, 255, 0, 0, 0, 255, 255, 255}}},
		{"black", colourPNG(1, 1, black), closure.Picture{Height: 1, Width: 1, RGB: []byte{0, 0, 0}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := must(closure.DecodePicture("x", tc.file))(t)
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// pngClaiming is a PNG whose header says another size than its data have.
func pngClaiming(height, width uint32) []byte {
	b := colourPNG(2, 2, color.NRGBA{9, 9, 9, 255})
	binary.BigEndian.PutUint32(b[16:], width)
	binary.BigEndian.PutUint32(b[20:], height)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func TestDecodePictureRefuses(t *testing.T) {
	whole := colourPNG(8, 8, color.NRGBA{9, 9, 9, 255})
	photo := jpegOf(image.NewGray(image.Rect(0, 0, 64, 64)))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-20] ^= 0xff
	for _, tc := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "cat.jpg: the file is empty"},
		{"text", []byte("not found"), "cat.jpg: not a JPEG, PNG or GIF image, but text"},
		{"web page", []byte("<!doctype html>"), "but XML or HTML"},
		{"WebP", []byte("RIFF\x00\x00\x00\x00WEBP"), "but a WebP image"},
		{"cut header", whole[:20], "the PNG image is truncated"},
		{"cut PNG", whole[:len(whole)-30], "the PNG image"},
		{"cut JPEG", photo[:len(photo)/2], "the JPEG image is truncated"},
		{"damaged", flipped, "the PNG image cannot be decoded"},
		{"bare magic", []byte("GIF89a"), "the GIF image cannot be decoded"},
		{"giant", pngClaiming(100000, 100000), "its header says 100000×100000 pixels: at most 67108864 are decoded"},
		{"larger than it is", pngClaiming(2000, 2000), "the PNG image"},
		{"smaller than it is", pngClaiming(1, 1), "the PNG image cannot be decoded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := closure.DecodePicture("cat.jpg", tc.file)
			wantInvalid(t, err, tc.want)
		})
	}
}

func FuzzDecodePicture(f *testing.F) {
	f.Add(colourPNG(2, 3, color.NRGBA{1, 2, 3, 100}))
	f.Add(withOrientation(jpegOf(image.NewGray(image.Rect(0, 0, 9, 5))), binary.BigEndian, 6))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		p, err := closure.DecodePicture("x", data)
		if err != nil {
			wantInvalid(t, err, "x: ")
			return
		}
		if len(p.RGB) != p.Height*p.Width*3 {
			t.Fatalf("%d bytes for %d×%d", len(p.RGB), p.Height, p.Width)
		}
		if r := p.Resize(3, 4); len(r.RGB) != 36 {
			t.Errorf("%d bytes after resizing", len(r.RGB))
		}
	})
}
