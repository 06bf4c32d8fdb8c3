package ws

import (
	"errors"
	"io"

	"github.com/reprise-ml/reprise/trainer/wire"
)

// readHeader reads the header of a binary message.
func readHeader(r io.Reader) (wire.Header, error) {
	var header [wire.HeaderSize]byte
	n, err := io.ReadFull(r, header[:])
	if err != nil && !ended(err) {
		return wire.Header{}, err
	}
	return wire.ReadHeader(header[:n])
}

// readPiece reads the rest of a binary message into room, and returns its size: one more than the room if there is more.
func readPiece(r io.Reader, room []byte) (int, error) {
	size, err := io.ReadFull(r, room)
	if err == nil {
		var more [1]byte
		var n int
		n, err = io.ReadFull(r, more[:])
		size += n
	}
	if ended(err) {
		err = nil
	}
	return size, err
}

// ended tells the end of a message from that of the connection, which is another error.
func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
