package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCacheForgetsTheLongestUnused(t *testing.T) {
	c := newCache[string, int](10)
	c.put("a", 1, 4)
	c.put("b", 2, 4)
	c.get("a")
	c.put("c", 3, 4)
	c.put("huge", 4, 11)
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "huge": false} {
		if _, ok := c.get(key); ok != want {
			t.Errorf("%s is there: %v", key, ok)
		}
	}
}

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                 "plain",
		"two\nlines":            "two\nlines",
		"a\u202eb\u2066c\u061c": "abc",
		"a\x00b\x1b[0m":         "ab[0m",
		"שלום":                  "שלום",
		"क्\u200dष 👩\u200d🔬":    "क्\u200dष 👩\u200d🔬",
		"\ufeffa\u200bb":        "ab",
	} {
		if got := plain(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestCurvePoints(t *testing.T) {
	loss := func(v float64) int64 { return int64(v * (1 << 20)) }
	tr := &training{steps: []trainedStep{
		{step: 0, examples: absent, loss: absent, correct: absent},
		{step: 1, examples: 2, loss: loss(4), correct: 1},
		{step: 2, examples: 2, loss: loss(2), correct: 2},
		{step: 3, examples: 1, loss: loss(1), correct: absent},
	}}
	got := tr.points(2)
	want := []CurvePoint{{Step: 1, Loss: new(2.0), Accuracy: new(0.5)}, {Step: 3, Loss: new(1.0), Accuracy: new(1.0)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := (&training{}).points(10); got == nil || len(got) != 0 {
		t.Errorf("%v", got)
	}
}
