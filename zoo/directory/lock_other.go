//go:build !unix

package directory

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/reprise-ml/reprise/zoo"
)

// lock is missing on this system, so tags cannot be moved safely there; everything else works.
func (d disk) lock(context.Context) (unlock func(), err error) {
	return nil, fmt.Errorf("tags in a directory: %w on this system", zoo.ErrUnsupported)
}

func touch(path string) error { return os.Chtimes(path, time.Time{}, time.Now()) }
