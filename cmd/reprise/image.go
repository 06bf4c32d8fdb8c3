package main

import (
	"bytes"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// isImage reports whether a file begins as one of the formats that are decoded here.
func isImage(b []byte) bool {
	for _, magic := range []string{"\x89PNG", "\xff\xd8\xff", "GIF8"} {
		if bytes.HasPrefix(b, []byte(magic)) {
			return true
		}
	}
	return false
}

// image decodes an image to the model's input, as the importer of images does.
func (r inputReader) image(path string, b []byte) ([]byte, error) {
	shape := r.field.Shape
	if r.field.DType != "u8" || len(shape) != 3 || (shape[2] != 1 && shape[2] != 3) {
		return nil, schema.Invalidf(path, "", "is an image; the model takes %s %s", r.field.DType, shapeText(shape))
	}
	picture, err := closure.DecodePicture(path, b)
	if err != nil {
		return nil, err
	}
	picture = picture.Resize(shape[0], shape[1])
	pixels := picture.RGB
	if shape[2] == 1 {
		pixels = picture.Grey()
	}
	if r.invert {
		for i := range pixels {
			pixels[i] = 0xff - pixels[i]
		}
	}
	return pixels, nil
}
