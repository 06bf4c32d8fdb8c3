package s3_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/s3"
	"github.com/reprise-ml/reprise/zoo/s3/s3test"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func TestMain(m *testing.M) {
	s3test.SetCredentials()
	if task := os.Getenv(childTask); task != "" {
		if err := child(task, os.Getenv(childPlace)); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name   string
		secure bool
	}{{"TLS", true}, {"HTTP", false}} {
		t.Run(c.name, func(t *testing.T) {
			server := s3test.Versitygw.Start(t, c.secure)
			storetest.Run(t, func(t *testing.T) zoo.Store {
				s, err := s3.Create(t.Context(), server.Place(), s3.Options{Warn: func(m string) { t.Errorf("warned: %s", m) }})
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

// TestConformanceOnMinIO has a second server's word for it. It takes long to build: make test-all.
func TestConformanceOnMinIO(t *testing.T) {
	if os.Getenv("REPRISE_MINIO") == "" {
		t.Skip("make test-all builds MinIO and runs this")
	}
	server := s3test.MinIO.Start(t, false)
	storetest.Run(t, func(t *testing.T) zoo.Store {
		s, err := s3.Create(t.Context(), server.Place(), s3.Options{PartSize: 5 << 20, Warn: func(m string) { t.Errorf("warned: %s", m) }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
	t.Run("a large blob", func(t *testing.T) {
		s := create(t, server.Place(), s3.Options{PartSize: 5 << 20, Warn: func(m string) { t.Errorf("warned: %s", m) }})
		b, _ := blob(12 * mib)
		check(t, put(t.Context(), s, b))
		wantSound(t, s)
	})
}
