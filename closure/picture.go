package closure

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// maxPixels bounds an image before it is decoded.
const maxPixels = 1 << 26

// Picture is a decoded image: red, green and blue of each pixel, row by row, upright, and opaque.
type Picture struct {
	Height, Width int
	RGB           []byte
}

// DecodePicture decodes a JPEG, PNG or GIF (its first frame), by its first bytes. It is turned as the EXIF data of a JPEG
// says, and what is transparent shows white. The size is read, and bounded, before anything is decoded. What cannot be
// decoded gives *schema.Invalid of that name.
//
// Decoders differ in the last bit, those of Go between releases too. That is why images are decoded once, when they are
// imported, and datasets hold pixels.
func DecodePicture(name string, data []byte) (*Picture, error) {
	h, err := readPictureHeader(data)
	if err != nil {
		return nil, schema.Invalidf(name, "", "%v", err)
	}
	p, err := h.decode(data)
	if err != nil {
		return nil, schema.Invalidf(name, "", "%v", err)
	}
	return p, nil
}

// Grey is the picture as luma of the BT.601 weights: ⌊(19595·R + 38470·G + 7471·B + 2^15) / 2^16⌋, which keeps grey pixels.
func (p *Picture) Grey() []byte { return greyPixels(make([]byte, 0, len(p.RGB)/3), p.RGB) }

// greyPixels appends the luma of pixels.
func greyPixels(to, rgb []byte) []byte {
	for i := 0; i < len(rgb); i += 3 {
		to = append(to, byte((19595*uint32(rgb[i])+38470*uint32(rgb[i+1])+7471*uint32(rgb[i+2])+1<<15)>>16))
	}
	return to
}

// isGrey reports whether all pixels are.
func isGrey(rgb []byte) bool {
	for i := 0; i < len(rgb); i += 3 {
		if rgb[i] != rgb[i+1] || rgb[i] != rgb[i+2] {
			return false
		}
	}
	return true
}

// pictureFormat is a format that is decoded, by its magic bytes.
type pictureFormat struct {
	name, magic string
	config      func(io.Reader) (image.Config, error)
	decode      func(io.Reader) (image.Image, error)
}

var pictureFormats = [...]pictureFormat{
	{"JPEG", "\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode},
	{"PNG", "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
	{"GIF", "GIF8", gif.DecodeConfig, gif.Decode},
}

// pictureHeader is what is known of a picture before it is decoded.
type pictureHeader struct {
	format        pictureFormat
	stored        image.Point // size as it is stored
	orientation   int         // EXIF: 1 to 8
	height, width int         // upright
}

// readPictureHeader finds out format and size. Its errors are for people, without the name of the file.
func readPictureHeader(data []byte) (*pictureHeader, error) {
	if len(data) == 0 {
		return nil, errors.New("the file is empty")
	}
	for _, format := range pictureFormats {
		if !strings.HasPrefix(string(data[:min(len(data), len(format.magic))]), format.magic) {
			continue
		}
		config, err := format.config(bytes.NewReader(data))
		if err != nil {
			return nil, pictureError(format, err)
		}
		h := &pictureHeader{format: format, stored: image.Pt(config.Width, config.Height), orientation: 1, height: config.Height, width: config.Width}
		if h.width <= 0 || h.height <= 0 || h.width > maxPixels/h.height {
			return nil, fmt.Errorf("its header says %d×%d pixels: at most %d are decoded", h.width, h.height, maxPixels)
		}
		if format.name == "JPEG" {
			h.orientation = exifOrientation(data)
		}
		if h.orientation >= 5 {
			h.height, h.width = h.width, h.height
		}
		return h, nil
	}
	return nil, fmt.Errorf("not a JPEG, PNG or GIF image, but %s", whatItIs(data[:min(len(data), 512)]))
}

func (h *pictureHeader) decode(data []byte) (*Picture, error) {
	picture, err := h.format.decode(bytes.NewReader(data))
	if err != nil {
		return nil, pictureError(h.format, err)
	}
	frame := picture.Bounds()
	if h.format.name == "GIF" {
		// A frame may be a part of the screen, whose size the header gives.
		if !frame.In(image.Rectangle{Max: h.stored}) {
			return nil, fmt.Errorf("its frame lies outside the %d×%d pixels of its header", h.stored.X, h.stored.Y)
		}
	} else if frame.Size() != h.stored {
		return nil, fmt.Errorf("its header says %d×%d pixels, and it has %d×%d", h.stored.X, h.stored.Y, frame.Dx(), frame.Dy())
	} else {
		frame = image.Rectangle{Max: h.stored}
	}
	canvas := image.NewRGBA(image.Rectangle{Max: h.stored})
	draw.Draw(canvas, canvas.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(canvas, frame, picture, picture.Bounds().Min, draw.Over)
	return h.upright(canvas), nil
}

// upright copies the pixels of a canvas to where they belong by the orientation, which names the side of the picture at
// which the first stored row and column are (EXIF 2.3, 4.6.4 A).
func (h *pictureHeader) upright(canvas *image.RGBA) *Picture {
	p := &Picture{Height: h.height, Width: h.width, RGB: make([]byte, h.height*h.width*3)}
	right, bottom := h.stored.X-1, h.stored.Y-1
	to := 0
	for y := range h.height {
		for x := range h.width {
			column, row := x, y
			switch h.orientation {
			case 2: // top, right
				column = right - x
			case 3: // bottom, right
				column, row = right-x, bottom-y
			case 4: // bottom, left
				row = bottom - y
			case 5: // left, top
				column, row = y, x
			case 6: // right, top
				column, row = y, bottom-x
			case 7: // right, bottom
				column, row = right-y, bottom-x
			case 8: // left, bottom
				column, row = right-y, x
			}
			copy(p.RGB[to:to+3], canvas.Pix[row*canvas.Stride+4*column:])
			to += 3
		}
	}
	return p
}

// pictureError words what a decoder refuses.
func pictureError(format pictureFormat, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("the %s image is truncated", format.name)
	}
	return fmt.Errorf("the %s image cannot be decoded: %w", format.name, err)
}
