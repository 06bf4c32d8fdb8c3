package api

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Measures of a sheet of samples.
const (
	sheetColumns = 12
	sheetRows    = 10
	sheetMost    = 24 // rows and columns
	sheetGap     = 2  // pixels, transparent
	cellMost     = 96 // larger images are thinned out to this
	cellLeast    = 24 // smaller ones are enlarged, by a whole factor, to about this
	sheetScan    = 4096
	sheetBytes   = 64 << 20 // of records that are read for one sheet
)

// isImages reports whether records are images that a sheet can show.
func isImages(in schema.Field) bool {
	return in.DType == "u8" && len(in.Shape) == 3 && (in.Shape[2] == 1 || in.Shape[2] == 3)
}

// sheetKey names a sheet.
type sheetKey struct {
	dataset       schema.Digest
	split         string
	columns, rows int
}

func (s *Service) datasetSheet(c *gin.Context) error {
	ctx := c.Request.Context()
	columns, err := integer(c, "columns", sheetColumns, 1, sheetMost)
	if err != nil {
		return err
	}
	rows, err := integer(c, "rows", sheetRows, 1, sheetMost)
	if err != nil {
		return err
	}
	o, err := s.datasetAt(ctx, c.Query("ref"))
	if err != nil {
		return err
	}
	if !isImages(o.dataset.Record.Input) {
		return newProblem(http.StatusNotFound, codeNotImages, "ask /api/v1/dataset/rows for tables", "the records of %s are no images", o.name)
	}
	records, err := s.split(c, o)
	if err != nil {
		return err
	}
	key := sheetKey{o.digest, c.Query("split"), columns, rows}
	picture, ok := s.sheets.get(key)
	if !ok {
		if err := s.reading.acquire(ctx); err != nil {
			return err
		}
		defer s.reading.release()
		if picture, err = drawSheet(ctx, records, o.dataset, columns, rows); err != nil {
			return err
		}
		s.sheets.put(key, picture, int64(len(picture)))
	}
	c.Header("Cache-Control", cacheAsk)
	if ref, err := schema.ParseReference(c.Query("ref")); err == nil && !ref.Digest.IsZero() {
		c.Header("Cache-Control", cacheForever)
	}
	return send(c, http.StatusOK, "image/png", picture)
}

// drawSheet draws the first images of a split: a row of each class, or whatever comes where there are no classes.
func drawSheet(ctx context.Context, records *closure.Records, d *schema.Dataset, columns, rows int) ([]byte, error) {
	layout := records.Layout()
	cell := newCell(layout.Input.Shape)
	picture := image.NewNRGBA(image.Rect(0, 0, columns*(cell.width+sheetGap)-sheetGap, rows*(cell.height+sheetGap)-sheetGap))
	scan := min(records.Len(), sheetScan, max(int64(columns*rows), sheetBytes/int64(layout.Size)))
	pixels, target := make([]byte, layout.Input.Bytes()), make([]byte, layout.Target.Bytes())
	place := newPlaces(d, layout.Target, columns, rows)
	for i := range uint32(scan) {
		if place.free == 0 {
			break
		}
		if err := records.Read(ctx, []uint32{i}, pixels, target); err != nil {
			return nil, err
		}
		if row, column, ok := place.next(target); ok {
			cell.draw(picture, column*(cell.width+sheetGap), row*(cell.height+sheetGap), pixels)
		}
	}
	used := picture.SubImage(image.Rect(0, 0, picture.Rect.Max.X, place.used()*(cell.height+sheetGap)-sheetGap))
	var b bytes.Buffer
	if err := png.Encode(&b, used); err != nil {
		return nil, fmt.Errorf("sheet: %w", err)
	}
	return b.Bytes(), nil
}

// places hands out the cells of a sheet.
type places struct {
	classes bool
	field   schema.Field
	columns int
	filled  []int // cells of each row
	free    int
}

func newPlaces(d *schema.Dataset, target schema.Field, columns, rows int) *places {
	p := &places{classes: len(d.Classes) > 0, field: target, columns: columns}
	if p.classes {
		rows = min(rows, len(d.Classes))
	}
	p.filled = make([]int, rows)
	p.free = rows * columns
	return p
}

// next is the cell of a record with this target.
func (p *places) next(target []byte) (row, column int, ok bool) {
	if p.classes {
		row = int(target[0])
		if p.field.DType == "u16" {
			row |= int(target[1]) << 8
		}
	} else {
		for row < len(p.filled)-1 && p.filled[row] == p.columns {
			row++
		}
	}
	if row >= len(p.filled) || p.filled[row] == p.columns {
		return 0, 0, false
	}
	p.filled[row]++
	p.free--
	return row, p.filled[row] - 1, true
}

// used is the number of rows up to the last that has something in it, at least one.
func (p *places) used() int {
	for row := len(p.filled) - 1; row > 0; row-- {
		if p.filled[row] > 0 {
			return row + 1
		}
	}
	return 1
}

// cell is how an image of a shape is drawn: enlarged, or every so-many-th pixel of it.
type cell struct {
	shape         []int
	grow, skip    int
	width, height int
}

func newCell(shape []int) cell {
	side := max(shape[0], shape[1])
	c := cell{shape: shape, grow: max(1, cellLeast/side), skip: (side + cellMost - 1) / cellMost}
	c.height = max(1, shape[0]/c.skip) * c.grow
	c.width = max(1, shape[1]/c.skip) * c.grow
	return c
}

func (c cell) draw(picture *image.NRGBA, left, top int, pixels []byte) {
	channels := c.shape[2]
	for y := range c.height {
		for x := range c.width {
			p := pixels[(y/c.grow*c.skip*c.shape[1]+x/c.grow*c.skip)*channels:]
			colour := color.NRGBA{R: p[0], G: p[0], B: p[0], A: 0xff}
			if channels == 3 {
				colour.G, colour.B = p[1], p[2]
			}
			picture.SetNRGBA(left+x, top+y, colour)
		}
	}
}
