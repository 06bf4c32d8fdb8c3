//go:build amd64 || arm64

package ftz_test

import (
	"testing"

	"github.com/reprise-ml/reprise/runner/internal/ftz"
)

// half is a variable so that the compiler computes nothing beforehand.
var half, smallest float32 = 0.5, 0x1p-126

func TestDo(t *testing.T) {
	var flushed float32
	ftz.Do(func() { flushed = smallest * half })
	if kept := smallest * half; flushed != 0 || kept == 0 {
		t.Errorf("2^-126 / 2 is %v within and %v outside", flushed, kept)
	}
}
