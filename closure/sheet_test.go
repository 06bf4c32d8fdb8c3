package closure_test

import (
	"bytes"
	"image/color"
	"image/png"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

func TestWriteSheet(t *testing.T) {
	store, d, _ := sampleDataset(t)
	records := must(closure.OpenSplit(t.Context(), store, d, "train"))(t)
	for _, tc := range []struct {
		name          string
		classes       int
		width, height int
	}{
		// Images of 3×2 are enlarged 16 times to 48×32, with gaps of 2.
		{"by class", 4, 16*(32+2) + 2, 4*(48+2) + 2},
		{"without classes", 0, 16*(32+2) + 2, 16*(48+2) + 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := closure.WriteSheet(t.Context(), &b, records, tc.classes); err != nil {
				t.Fatal(err)
			}
			sheet, err := png.Decode(&b)
			if err != nil {
				t.Fatal(err)
			}
			if size := sheet.Bounds().Size(); size.X != tc.width || size.Y != tc.height {
				t.Errorf("got %v", size)
			}
			// Pixel 4 of every record, in its third row on the left, is white; 3, above it on the right, is black.
			white, black := color.GrayModel.Convert(sheet.At(3, 35)), color.GrayModel.Convert(sheet.At(33, 33))
			if white != (color.Gray{Y: 255}) || black != (color.Gray{Y: 0}) {
				t.Errorf("got %v and %v", white, black)
			}
		})
	}
}

func TestWriteSheetRefuses(t *testing.T) {
	b := must(closure.NewBuilder(schema.Dataset{Name: "table", Version: "1.0.0", Record: schema.RecordLayout{
		Size: 5, Input: schema.Field{DType: "f32", Shape: []int{1}}, Target: schema.Field{Offset: 4, DType: "u8", Shape: []int{}},
	}}, closure.BuilderOptions{}))(t)
	if err := b.Add("train", make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	var store closuretest.Memory
	d := first(must2(b.Finish(t.Context(), &store))(t))
	records := must(closure.OpenSplit(t.Context(), &store, d, "train"))(t)
	wantInvalid(t, closure.WriteSheet(t.Context(), new(bytes.Buffer), records, 2), "table: record.input: f32 of shape [1]: a contact sheet needs u8 images")
}
