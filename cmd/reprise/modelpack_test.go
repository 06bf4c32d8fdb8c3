package main

import (
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/directory"
)

func TestPublishModelPack(t *testing.T) {
	d := withData(t)
	published := d.published()
	again := report[schema.PublishReport](d, schema.KindPublishReport, exitDone, "publish", d.path("closure"), "--modelpack")
	if again.Digest != published.Digest {
		t.Error("the view changes the closure")
	}
	d.done("publish", d.path("closure"), "--modelpack")
	mirror := d.path("mirror")
	d.done("copy", "small", "--to", mirror)
	for _, path := range []string{d.storePath(), mirror} {
		s, err := directory.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		about, err := zoo.ReferrersOf(s, "small").Referrers(t.Context(), published.Digest)
		if err != nil || len(about) != 1 || about[0].ArtifactType != closure.MediaTypeModelPack {
			t.Fatalf("%+v, %v", about, err)
		}
		d.done("fsck", "--store", path)
	}
}
