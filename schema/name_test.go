package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
)

func TestCheckName(t *testing.T) {
	for _, good := range []string{"mnist", "ada/mnist-cnn", "a.b_c__d---e", "v1", "vv/tags2", "0", strings.Repeat("a", 128)} {
		if err := schema.CheckName(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/", "a/", "/a", "a//b", "a/b/c", "A", "ä", "a b", "-a", "a-", "a..b", "a___b", "v", "ada/v", "tags/x", "x.json", "a.json/b",
		"..", "../a", `a\b`, "a\n", strings.Repeat("a", 129),
	} {
		if schema.CheckName(bad) == nil {
			t.Errorf("%q passes for a name", bad)
		}
	}
}

func TestCheckTag(t *testing.T) {
	for _, good := range []string{"latest", "v1", "1.0", "paper-2026", "_x", "Best.Of_3", "2026", "v1.0.0", "sha256-" + strings.Repeat("ab", 32) + ".sig"} {
		if err := schema.CheckTag(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "1.0.0", "1.0.0-rc.1", "-x", ".x", "a/b", "a:b", "a b", "a+b", "x\n", strings.Repeat("x", 129),
		strings.Repeat("ab", 32), "sha256-" + strings.Repeat("ab", 32),
	} {
		if schema.CheckTag(bad) == nil {
			t.Errorf("%q passes for a tag", bad)
		}
	}
}

func TestParseReference(t *testing.T) {
	d := schema.DigestOf(nil)
	for text, want := range map[string]schema.Reference{
		"mnist":                    {Name: "mnist"},
		"mnist:1.0.0":              {Name: "mnist", Label: "1.0.0"},
		"ada/mnist:paper":          {Name: "ada/mnist", Label: "paper"},
		"ada/mnist@" + d.String():  {Name: "ada/mnist", Digest: d},
		"mnist:1.0.0-rc.1":         {Name: "mnist", Label: "1.0.0-rc.1"},
		"a.b/c_d:2026-best_of-All": {Name: "a.b/c_d", Label: "2026-best_of-All"},
	} {
		got, err := schema.ParseReference(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got, compareDigests); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
		if got.String() != text {
			t.Errorf("%s is written %s", text, got)
		}
		if isVersion := strings.Contains(text, "1.0.0"); got.IsVersion() != isVersion {
			t.Errorf("%s: IsVersion() is %v", text, !isVersion)
		}
	}
	for text, want := range map[string]string{
		"":                      `reference "": a name is missing`,
		"mnist:":                `reference "mnist:": "" is neither a version, such as 1.0.0, nor a tag`,
		"mnist:a:b":             `reference "mnist:a:b": "a:b" is neither a version, such as 1.0.0, nor a tag`,
		"mnist@sha256:12":       `reference "mnist@sha256:12": "12" is not a digest: 64 lower-case hexadecimal digits are needed`,
		"mnist@1.0.0":           `reference "mnist@1.0.0": "1.0.0" is not a digest: it must start with "sha256:"`,
		"mnist:1@" + d.String(): `reference "mnist:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b9…": "mnist:1" is not a name: use lower-case letters and digits, with single . _ or - between them`,
		"a/b/c":                 `reference "a/b/c": "a/b/c" is not a name: it has 3 parts, a name is PART or OWNER/PART`,
	} {
		_, err := schema.ParseReference(text)
		if err == nil || err.Error() != want {
			t.Errorf("%q: told\n%v\nwant\n%s", text, err, want)
		}
	}
}

func TestVersions(t *testing.T) {
	// In the order of SemVer's own example, and then of numbers.
	ordered := []string{
		"1.0.0-1", "1.0.0-1.x", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
		"1.0.0-rc.1", "1.0.0", "1.0.10", "1.2.0", "1.10.0", "2.0.0", "10.0.0", "99999999999999999999.0.0", "100000000000000000000.0.0",
	}
	for i, a := range ordered {
		if err := schema.CheckVersion(a); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		if pre := i < slices.Index(ordered, "1.0.0"); schema.IsPrerelease(a) != pre {
			t.Errorf("%s: IsPrerelease is %v", a, !pre)
		}
		for j, b := range ordered {
			if got, want := schema.CompareVersions(a, b), min(max(i-j, -1), 1); got != want {
				t.Errorf("%s and %s compare as %d, want %d", a, b, got, want)
			}
		}
	}
	for _, bad := range []string{
		"", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0-a..b", "1.0.0+x", "v1.0.0", "1.0.0 ", "1.0.0\n", "1.0.0-ä",
		"1.0.0-" + strings.Repeat("x", 128),
	} {
		if schema.CheckVersion(bad) == nil {
			t.Errorf("%q passes for a version", bad)
		}
	}
}
