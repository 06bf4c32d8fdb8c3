package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

func TestExportAndImport(t *testing.T) {
	d := withData(t)
	published := d.published()
	file := d.path("small.tar")
	exported := report[schema.ExportReport](d, schema.KindExportReport, exitDone, "export", "small", "-o", file)
	info, err := os.Stat(file)
	if err != nil || info.Size() != exported.Size || len(exported.Exported) != 2 {
		t.Errorf("%+v, %v", exported, err)
	}
	again := report[schema.ExportReport](d, schema.KindExportReport, exitDone, "export", "--all", "-o", file)
	if again.Digest != exported.Digest {
		t.Error("the same objects give another file")
	}
	// A bundle is read as it is, and imported where there is nothing yet.
	d.done("verify", "small", "--store", file)
	if text := d.refused(exitFailed, nil, "tag", "small", "best", "--store", file); !strings.Contains(text.stderr, "import it into a store") {
		t.Errorf("writing into a bundle: %q", text.stderr)
	}
	store := d.path("elsewhere")
	first := report[schema.CopyReport](d, schema.KindCopyReport, exitDone, "import", file, "--store", store)
	if len(first.Copied) != 2 || first.Copied[1].Digest != published.Digest {
		t.Errorf("%+v", first)
	}
	d.done("verify", "small", "--store", store)
	if text := d.done("import", file, "--store", store).stdout; !strings.Contains(text, "already there: small:1.0.0") {
		t.Errorf("importing again: %q", text)
	}

	d.refused(exitInvalid, []string{"-o FILE.tar is missing"}, "export", "small")
	d.refused(exitInvalid, []string{"REF is missing"}, "export", "-o", file)
	d.refused(exitInvalid, []string{"--all takes no references"}, "export", "--all", "small", "-o", file)
	d.refused(exitInvalid, []string{"is not a file"}, "export", "small", "-o", store)
	d.refused(exitFailed, []string{"no such file"}, "export", "small", "-o", d.path("no/such/folder.tar"))
	d.refused(exitFailed, []string{"not found"}, "import", d.path("nothing.tar"))
	d.refused(exitInvalid, []string{"is no tar archive", "closure.yaml"}, "import", d.path("closure.yaml"))

	spoilt := d.path("spoilt.tar")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(b), "\x00asm")
	if at < 0 {
		t.Fatal("no engine in the bundle")
	}
	b[at+100]++
	if err := os.WriteFile(spoilt, b, 0o600); err != nil {
		t.Fatal(err)
	}
	d.refused(exitDamaged, []string{schema.PathEngine}, "import", spoilt, "--store", d.path("third"))
	if text := d.done("list", "--store", d.path("third")); strings.Contains(text.stdout, "small") {
		t.Errorf("a damaged bundle left %q", text.stdout)
	}
	if err := os.WriteFile(spoilt, b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	d.refused(exitInvalid, []string{"cut short"}, "import", spoilt, "--store", d.path("fourth"))
	if _, err := os.Stat(d.path("fourth")); err == nil {
		t.Error("a bundle that is refused made a store")
	}
	if left, _ := filepath.Glob(d.path(".partial-*")); len(left) > 0 {
		t.Errorf("export left %v", left)
	}
}
