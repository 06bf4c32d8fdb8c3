package s3_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/s3"
)

func TestParse(t *testing.T) {
	yes := true
	for _, c := range []struct {
		place string
		env   map[string]string
		want  s3.Location
	}{
		{"s3://bucket", nil, s3.Location{Bucket: "bucket", Endpoint: "https://s3.amazonaws.com"}},
		{"s3://my.bucket-1/a/b/", nil, s3.Location{Bucket: "my.bucket-1", Prefix: "a/b", Endpoint: "https://s3.amazonaws.com"}},
		{"S3://bucket/a?endpoint=host:9000", nil, s3.Location{Bucket: "bucket", Prefix: "a", Endpoint: "https://host:9000"}},
		{"s3://bucket?endpoint=http://127.0.0.1:9000/&region=eu-1&path-style=true&profile=lab&ca=/etc/lab.pem", nil, s3.Location{
			Bucket: "bucket", Endpoint: "http://127.0.0.1:9000", Region: "eu-1", PathStyle: &yes, Profile: "lab", CA: "/etc/lab.pem",
		}},
		{"s3://bucket", map[string]string{"AWS_ENDPOINT_URL": "https://all", "AWS_ENDPOINT_URL_S3": "https://s3", "AWS_REGION": "r", "AWS_CA_BUNDLE": "ca.pem"}, s3.Location{
			Bucket: "bucket", Endpoint: "https://s3", Region: "r", CA: "ca.pem",
		}},
		{"s3://bucket?region=q", map[string]string{"AWS_ENDPOINT_URL": "https://all", "AWS_REGION": "r"}, s3.Location{Bucket: "bucket", Endpoint: "https://all", Region: "q"}},
	} {
		t.Run(c.place, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			got, err := s3.Parse(c.place)
			if err != nil {
				t.Fatal(err)
			}
			if (got.PathStyle == nil) != (c.want.PathStyle == nil) || got.PathStyle != nil && *got.PathStyle != *c.want.PathStyle {
				t.Errorf("path style: %v", got.PathStyle)
			}
			got.PathStyle, c.want.PathStyle = nil, nil
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ place, says, hint string }{
		{"s3://", "is not the name of a bucket", "s3://BUCKET"},
		{"s3:///zoo", "is not the name of a bucket", "s3://BUCKET"},
		{"s3://b", "is not the name of a bucket", ""},
		{"s3://host:9000/bucket", "is not the name of a bucket", "endpoint="},
		{"s3://bucket/a//b", `"" cannot be part of a prefix`, ""},
		{"s3://bucket/a/../b", `".." cannot be part of a prefix`, ""},
		{"s3://bucket/a%00b", "cannot be part of a prefix", ""},
		{"s3://bucket/a%20b", "cannot be part of a prefix", ""},
		{"s3://bucket/%zz", "cannot be read", ""},
		{"s3://bucket#frag", "cannot be read", ""},
		{"s3://bucket?a;b", "cannot be read", ""},
		{"s3://bucket?endpont=x", "is no parameter of a store", "known are endpoint"},
		{"s3://bucket?region=a&region=b", "needs one value", ""},
		{"s3://bucket?region=", "needs one value", ""},
		{"s3://bucket?path-style=perhaps", "is true or false", ""},
		{"s3://bucket?endpoint=ftp://host", "looks like https://HOST", ""},
		{"s3://bucket?endpoint=https://", "looks like https://HOST", ""},
		{"s3://bucket?endpoint=https://host/bucket", "more than a host and a port", ""},
		{"s3://KEY:hidden@bucket/zoo", "holds credentials", "AWS_ACCESS_KEY_ID"},
		{"s3://bucket?endpoint=https://KEY:hidden@host", "holds credentials", "AWS_ACCESS_KEY_ID"},
		{"s3://bucket?access-key=KEY&secret-key=hidden", "holds credentials", "AWS_ACCESS_KEY_ID"},
		{"s3://bucket?X-Amz-Signature=hidden", "holds credentials", "AWS_ACCESS_KEY_ID"},
		{"s3://KEY:hidden@%zz", "cannot be read", ""},
	} {
		t.Run(c.place, func(t *testing.T) {
			_, err := s3.Parse(c.place)
			invalid, ok := errors.AsType[*schema.Invalid](err)
			if !ok || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got error %v, want %q", err, c.says)
			}
			if !strings.Contains(invalid.Problems[0].Hint, c.hint) {
				t.Errorf("hint %q, want %q", invalid.Problems[0].Hint, c.hint)
			}
			if strings.Contains(err.Error()+invalid.Problems[0].Hint, "hidden") {
				t.Errorf("the error repeats a secret: %v", err)
			}
		})
	}
}
