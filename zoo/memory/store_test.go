package memory_test

import (
	"testing"

	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) zoo.Store { return memory.New() })
}
