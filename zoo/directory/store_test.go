package directory_test

import (
	"testing"

	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/directory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) zoo.Store { return newStore(t, t.TempDir()) })
}

func newStore(t *testing.T, root string) *directory.Store {
	t.Helper()
	s, err := directory.Create(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
