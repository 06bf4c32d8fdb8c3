package main

import (
	"bytes"
	"image"
	"image/color"
	_ "image/gif" // decoders, by the magic bytes of their formats
	_ "image/jpeg"
	_ "image/png"

	"github.com/reprise-ml/reprise/schema"
)

// maxPixels bounds an image before it is decoded.
const maxPixels = 1 << 26

// isImage reports whether a file begins as one of the formats that are decoded here.
func isImage(b []byte) bool {
	for _, magic := range []string{"\x89PNG", "\xff\xd8\xff", "GIF8"} {
		if bytes.HasPrefix(b, []byte(magic)) {
			return true
		}
	}
	return false
}

// image decodes an image to the model's input.
func (r inputReader) image(path string, b []byte) ([]byte, error) {
	shape := r.field.Shape
	if r.field.DType != "u8" || len(shape) != 3 || (shape[2] != 1 && shape[2] != 3) {
		return nil, schema.Invalidf(path, "", "is an image; the model takes %s %s", r.field.DType, shapeText(shape))
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, schema.Invalidf(path, "", "cannot be decoded: %v", err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height {
		return nil, schema.Invalidf(path, "", "%d×%d pixels: at most %d are decoded", config.Width, config.Height, maxPixels)
	}
	picture, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, schema.Invalidf(path, "", "cannot be decoded: %v", err)
	}
	pixels := resize(channels(picture, shape[2]), picture.Bounds().Dx(), picture.Bounds().Dy(), shape[1], shape[0], shape[2])
	if r.invert {
		for i := range pixels {
			pixels[i] = 0xff - pixels[i]
		}
	}
	return pixels, nil
}

// channels lays a picture over white, as one grey channel or as red, green and blue.
func channels(picture image.Image, n int) []byte {
	b := picture.Bounds()
	pixels := make([]byte, 0, b.Dx()*b.Dy()*n)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			red, green, blue, alpha := picture.At(x, y).RGBA() // premultiplied, 16 bits
			white := 0xffff - alpha
			c := color.RGBA64{R: uint16(red + white), G: uint16(green + white), B: uint16(blue + white), A: 0xffff}
			if n == 1 {
				pixels = append(pixels, color.GrayModel.Convert(c).(color.Gray).Y)
				continue
			}
			pixels = append(pixels, byte(c.R>>8), byte(c.G>>8), byte(c.B>>8))
		}
	}
	return pixels
}

// resize scales an image by averaging: every pixel of the result is the mean of the area that it covers, in integers, so
// that the result is the same everywhere.
func resize(pixels []byte, fromW, fromH, toW, toH, channels int) []byte {
	if fromW == toW && fromH == toH {
		return pixels
	}
	// Along an axis, the source is measured in units of 1/to of its pixels: a pixel is `to` long, a result `from`.
	wide := make([]byte, 0, toW*fromH*channels)
	for y := range fromH {
		row := pixels[y*fromW*channels:]
		for x := range toW {
			for c := range channels {
				wide = append(wide, mean(fromW, toW, x, func(i int) byte { return row[i*channels+c] }))
			}
		}
	}
	out := make([]byte, 0, toW*toH*channels)
	for y := range toH {
		for i := range toW * channels {
			out = append(out, mean(fromH, toH, y, func(j int) byte { return wide[j*toW*channels+i] }))
		}
	}
	return out
}

// mean of the k-th of `to` equal parts of `from` values, rounded to the nearest.
func mean(from, to, k int, at func(int) byte) byte {
	begin, end := k*from, (k+1)*from
	sum := 0
	for i := begin / to; i*to < end; i++ {
		sum += (min(end, (i+1)*to) - max(begin, i*to)) * int(at(i))
	}
	return byte((sum + from/2) / from)
}
