package web

import (
	"testing"
	"testing/fstest"
)

func TestBuilt(t *testing.T) {
	for _, test := range []struct {
		name  string
		files fstest.MapFS
		want  bool
	}{
		{"nothing", fstest.MapFS{}, false},
		{"placeholder only", fstest.MapFS{".gitkeep": {}}, false},
		{"a page", fstest.MapFS{".gitkeep": {}, "testpage.html": {}}, true},
		{"only a folder of assets", fstest.MapFS{"assets/main.js": {}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := built(test.files); got != test.want {
				t.Errorf("built = %v, want %v", got, test.want)
			}
		})
	}
}

func TestAssetsIsReadable(t *testing.T) {
	files, _ := Assets()
	if _, err := files.Open(placeholder); err != nil {
		t.Errorf("the placeholder is not embedded: %v", err)
	}
}
