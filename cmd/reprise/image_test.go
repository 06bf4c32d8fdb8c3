package main

import (
	"bytes"
	"image"
	"image/color"
	"testing"
)

func TestResize(t *testing.T) {
	for _, c := range []struct {
		name                 string
		pixels               []byte
		fromW, fromH, tW, tH int
		want                 []byte
	}{
		{"same", []byte{1, 2, 3, 4}, 2, 2, 2, 2, []byte{1, 2, 3, 4}},
		{"half", []byte{10, 20, 30, 40}, 2, 2, 1, 1, []byte{25}},
		{"double", []byte{10, 20}, 2, 1, 4, 2, []byte{10, 10, 20, 20, 10, 10, 20, 20}},
		{"three to two", []byte{0, 30, 60}, 3, 1, 2, 1, []byte{10, 50}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := resize(c.pixels, c.fromW, c.fromH, c.tW, c.tH, 1); !bytes.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestChannels(t *testing.T) {
	picture := image.NewNRGBA(image.Rect(0, 0, 3, 1))
	picture.Set(0, 0, color.NRGBA{0xff, 0, 0, 0xff})
	picture.Set(1, 0, color.NRGBA{0, 0, 0, 0}) // transparent
	picture.Set(2, 0, color.NRGBA{0, 0, 0, 0xff})
	if got := channels(picture, 3); !bytes.Equal(got, []byte{0xff, 0, 0, 0xff, 0xff, 0xff, 0, 0, 0}) {
		t.Errorf("colours %v", got)
	}
	if got := channels(picture, 1); got[1] != 0xff || got[2] != 0 || got[0] != 76 {
		t.Errorf("greys %v", got)
	}
}
