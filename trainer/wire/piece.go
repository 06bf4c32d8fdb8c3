package wire

import (
	"encoding/binary"

	"github.com/reprise-ml/reprise/schema"
)

// Sizes of binary messages, in bytes.
const (
	HeaderSize = 16
	// PieceSize is the most that one carries of a vector.
	PieceSize = 256 << 10
)

// Kinds of vectors, as headers of pieces name them.
const (
	VectorResult = 1
	VectorUpdate = 2
)

// Header begins a binary message.
type Header struct {
	Vector byte   // VectorResult or VectorUpdate
	ID     uint32 // the lease, or the step, modulo 2³²
	Offset int64  // of the piece in the packed vector
}

// Append writes the header after b.
func (h Header) Append(b []byte) []byte {
	b = append(b, Version, h.Vector, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, h.ID)
	return binary.LittleEndian.AppendUint64(b, uint64(h.Offset))
}

// ReadHeader reads the header of a binary message.
func ReadHeader(message []byte) (Header, error) {
	if len(message) < HeaderSize {
		return Header{}, schema.Invalidf("piece", "", "it has %d bytes, fewer than its header of %d", len(message), HeaderSize)
	}
	h := Header{message[1], binary.LittleEndian.Uint32(message[4:]), int64(binary.LittleEndian.Uint64(message[8:]))}
	switch {
	case message[0] != Version:
		return Header{}, schema.Invalidf("piece", "version", "it is %d, not %d", message[0], Version)
	case h.Vector != VectorResult && h.Vector != VectorUpdate:
		return Header{}, schema.Invalidf("piece", "vector", "%d is neither a result's nor an update's", h.Vector)
	case message[2]|message[3] != 0:
		return Header{}, schema.Invalidf("piece", "reserved", "the bytes 2 and 3 are not zero")
	case h.Offset < 0 || h.Offset > maxInteger:
		return Header{}, schema.Invalidf("piece", "offset", "%d is out of range", uint64(h.Offset))
	}
	return h, nil
}

// Assembly checks that pieces follow each other without gaps until a vector is complete.
type Assembly struct {
	vector byte
	id     uint32
	total  int64
	got    int64
}

// Assemble begins a vector of so many bytes, whose pieces name the lease or step.
func Assemble(vector byte, id, total int64) Assembly {
	return Assembly{vector: vector, id: uint32(id), total: total}
}

// Next checks the header of the next piece and its size without the header, in bytes.
func (a *Assembly) Next(h Header, size int) error {
	switch {
	case h.Vector != a.vector:
		return schema.Invalidf("piece", "vector", "it is of kind %d, %d is under way", h.Vector, a.vector)
	case h.ID != a.id:
		return schema.Invalidf("piece", "id", "it belongs to %d, the vector of %d is under way", h.ID, a.id)
	case h.Offset != a.got:
		return schema.Invalidf("piece", "offset", "it is %d, %d follows", h.Offset, a.got)
	case size == 0:
		return schema.Invalidf("piece", "", "it is empty")
	case size > PieceSize:
		return schema.Invalidf("piece", "", "it has more than %d bytes", PieceSize)
	case int64(size) > a.total-a.got:
		return schema.Invalidf("piece", "", "it goes beyond the %d bytes of the vector", a.total)
	}
	a.got += int64(size)
	return nil
}

// Received is how much of the vector has arrived, in bytes.
func (a *Assembly) Received() int64 { return a.got }

// Complete reports whether the whole vector has arrived.
func (a *Assembly) Complete() bool { return a.got == a.total }
