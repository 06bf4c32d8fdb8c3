package closure

import (
	"bytes"
	"encoding/binary"
)

// exifOrientation is the orientation that the EXIF data of a JPEG gives, 1 to 8. It is 1, upright, where there is none or
// where the data make no sense: they are no part of the image.
func exifOrientation(jpeg []byte) int {
	for at := 2; at+4 <= len(jpeg) && jpeg[at] == 0xff; {
		marker, length := jpeg[at+1], int(binary.BigEndian.Uint16(jpeg[at+2:]))
		if marker == 0xff { // fill byte
			at++
			continue
		}
		if marker == 0xda || length < 2 || at+2+length > len(jpeg) { // start of scan: no more headers
			break
		}
		if data, ok := bytes.CutPrefix(jpeg[at+4:at+2+length], []byte("Exif\x00\x00")); marker == 0xe1 && ok {
			return tiffOrientation(data)
		}
		at += 2 + length
	}
	return 1
}

// tiffOrientation looks up the tag in the first directory of a TIFF structure.
func tiffOrientation(b []byte) int {
	const (
		tagOrientation = 0x0112
		typeShort      = 3
	)
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return 1
	}
	if len(b) < 8 {
		return 1
	}
	at := int64(order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return 1
	}
	entries := b[at+2:]
	for range order.Uint16(b[at:]) {
		if len(entries) < 12 {
			break
		}
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return v
			}
			break
		}
		entries = entries[12:]
	}
	return 1
}
