package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestPythonReadsClosures runs the lines of README.md as they are written there, in the Python of Debian (python3-numpy).
func TestPythonReadsClosures(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.CommandContext(t.Context(), python, "-c", "import numpy").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s has no NumPy: make tools", python)
		}
		t.Skip("needs NumPy: make tools")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(readme)
	if lines == nil {
		t.Fatal("README.md has no Python")
	}
	d := withData(t)
	d.trained("mnist-cnn")
	c := exec.CommandContext(t.Context(), python, "-c", string(lines[1]))
	c.Dir = d.dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"'metric': 'accuracy'", "dense1.weight': ("} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
}
