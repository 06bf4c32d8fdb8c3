package main

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/s3/s3test"
)

// Every verb works on a store in a bucket, and objects there have the digests that they have in a directory.
func TestStoreInBucket(t *testing.T) {
	server := s3test.Versitygw.Start(t, true)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretKey)
	place := server.Place()
	d := withData(t)
	inDirectory := d.published()
	d.refused(exitFailed, []string{"there is no store in " + place}, "list", "--store", place)
	d.done("copy", "glyphs:1.0.0", "--to", place)
	inBucket := report[schema.PublishReport](d, schema.KindPublishReport, exitDone, "publish", d.path("closure"), "--tag", "best", "--store", place)
	if inBucket.Digest != inDirectory.Digest {
		t.Errorf("in the bucket it is %s, in a directory %s", inBucket.Digest, inDirectory.Digest)
	}
	for _, args := range [][]string{
		{"verify", "small:best"},
		{"list"},
		{"show", "small"},
		{"history", "small"},
		{"tag", "small:1.0.0", "latest"},
		{"fsck"},
		{"pull", "small", "-o", d.path("pulled")},
		{"dataset", "show", "glyphs"},
	} {
		if o := d.done(append(args, "--store", place)...); strings.Contains(o.stdout+o.stderr, s3test.SecretKey) {
			t.Errorf("%s shows a secret", args[0])
		}
	}
	d.refused(exitInvalid, []string{"holds credentials", "AWS_ACCESS_KEY_ID"}, "list", "--store", "s3://key:secret@bucket")
	d.refused(exitInvalid, []string{"known are endpoint"}, "list", "--store", "s3://bucket?endpont=x")
}
