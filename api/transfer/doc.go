// Package transfer moves the bytes of blobs over HTTP, in pieces, so that a large blob may take as long as it needs while a
// client that stands still is given up.
package transfer

import "time"

// A client that takes or gives no piece of this size for this long is given up, however large the whole is.
const (
	PieceSize    = 256 << 10
	PieceTimeout = 60 * time.Second
)
