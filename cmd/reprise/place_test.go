package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

// Without --store, $REPRISE_STORE says where the store is, else it is ./.reprise.
func TestWhereTheStoreIs(t *testing.T) {
	for _, c := range []struct {
		name, flag, variable, want string
	}{
		{"flag", "./a", "./b", "./a"},
		{"variable", "", "./b", "./b"},
		{"default", "", "", "./.reprise"},
		{"absolute", "/srv/zoo", "", "/srv/zoo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("REPRISE_STORE", c.variable)
			if got := (&app{store: c.flag}).storePlace(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// What is in front of :// is the kind of store, in any case of letters; all else is a directory.
func TestKindsOfStores(t *testing.T) {
	for place, want := range map[string]string{
		"zoo": "directory", "./a:b": "directory", "/a://b": "directory", "C:/zoo": "directory", "ftp://a": "", "FTP://a": "",
	} {
		kind, err := kindOfStore(place)
		if kind.name != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", place, kind.name, err, want)
		}
	}
	t.Setenv("REPRISE_STORE", "ftp://host")
	if _, err := (&app{}).openStore(t.Context()); err == nil || !strings.Contains(hintOf(err), "./zoo") {
		t.Errorf("an unknown kind in the variable: %v", err)
	}
}

// An argument is a directory if it begins with . or /, or holds a closure.json; else a reference.
func TestDirectoryOrReference(t *testing.T) {
	d := newDesk(t)
	t.Chdir(d.dir)
	for _, dir := range []string{"closure", "other"} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	d.write("closure/"+schema.PathClosure, "{}")
	for arg, want := range map[string]bool{".": true, "./x": true, "../x": true, "/x": true, "closure": true, "other": false, "mnist:1.0.0": false} {
		if got := isDirectory(arg); got != want {
			t.Errorf("%s: %v, want %v", arg, got, want)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"list"}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "there is no store in ./.reprise") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
	d.refused(exitInvalid, []string{"closure.json"}, "show", "closure")
}
