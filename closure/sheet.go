package closure

import (
	"context"
	"image"
	"image/color"
	"image/png"
	"io"

	"github.com/reprise-ml/reprise/schema"
)

// Measures of a contact sheet.
const (
	sheetColumns = 16
	sheetRows    = 16
	sheetGap     = 2  // pixels
	sheetSide    = 48 // small images are enlarged, by a whole factor, to about this
	sheetScan    = 1 << 16
)

// WriteSheet writes a PNG of a split's first images: a row for each of the first classes, or rows of whatever comes where
// there are no classes. Records must be u8 images of shape [height, width, 1 or 3]; others give *schema.Invalid.
func WriteSheet(ctx context.Context, w io.Writer, records *Records, classes int) error {
	layout := records.Layout()
	shape := layout.Input.Shape
	if layout.Input.DType != "u8" || len(shape) != 3 || (shape[2] != 1 && shape[2] != 3) {
		return schema.Invalidf(records.dataset, "record.input", "%s of shape %v: a contact sheet needs u8 images of shape [height, width, 1 or 3]",
			layout.Input.DType, shape)
	}
	rows, err := chooseSamples(ctx, records, classes)
	if err != nil {
		return err
	}
	columns := 0
	for _, row := range rows {
		columns = max(columns, len(row))
	}
	scale := max(1, sheetSide/max(shape[0], shape[1]))
	height, width := shape[0]*scale+sheetGap, shape[1]*scale+sheetGap
	sheet := image.NewNRGBA(image.Rect(0, 0, columns*width+sheetGap, len(rows)*height+sheetGap))
	for i := range sheet.Pix {
		sheet.Pix[i] = 0xff // white and opaque
	}
	pixels := make([]byte, layout.Input.Bytes())
	for r, row := range rows {
		for c, index := range row {
			if err := records.Read(ctx, []uint32{index}, pixels, nil); err != nil {
				return err
			}
			drawSample(sheet, c*width+sheetGap, r*height+sheetGap, scale, shape, pixels)
		}
	}
	return png.Encode(w, sheet)
}

// chooseSamples returns the records of each row.
func chooseSamples(ctx context.Context, records *Records, classes int) ([][]uint32, error) {
	if classes == 0 {
		var rows [][]uint32
		for i := range uint32(min(records.Len(), sheetColumns*sheetRows)) {
			if i%sheetColumns == 0 {
				rows = append(rows, nil)
			}
			rows[len(rows)-1] = append(rows[len(rows)-1], i)
		}
		return rows, nil
	}
	layout := records.Layout()
	rows := make([][]uint32, min(classes, sheetRows))
	missing := len(rows) * sheetColumns
	input, target := make([]byte, layout.Input.Bytes()), make([]byte, layout.Target.Bytes())
	for i := range uint32(min(records.Len(), sheetScan)) {
		if err := records.Read(ctx, []uint32{i}, input, target); err != nil {
			return nil, err
		}
		field := layout.Target
		field.Offset = 0
		if c := classOf(field, target); c < len(rows) && len(rows[c]) < sheetColumns {
			rows[c] = append(rows[c], i)
			if missing--; missing == 0 {
				break
			}
		}
	}
	return rows, nil
}

func drawSample(sheet *image.NRGBA, left, top, scale int, shape []int, pixels []byte) {
	channels := shape[2]
	for y := range shape[0] * scale {
		for x := range shape[1] * scale {
			p := pixels[(y/scale*shape[1]+x/scale)*channels:]
			c := color.NRGBA{R: p[0], G: p[0], B: p[0], A: 0xff}
			if channels == 3 {
				c.G, c.B = p[1], p[2]
			}
			sheet.SetNRGBA(left+x, top+y, c)
		}
	}
}
