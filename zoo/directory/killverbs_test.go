//go:build unix

package directory

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/bundle"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// childVerb tells a child what to do instead of publishing; its name is then the place where it reads.
const childVerb = "REPRISE_TEST_CHILD_VERB"

var childVerbs = map[string]func(root, from string) error{
	"copy": func(root, from string) error {
		s, err := Open(from)
		if err != nil {
			return err
		}
		all, err := zoo.SelectAll(context.Background(), s)
		return errors.Join(err, childCopy(all, root))
	},
	"import": func(root, from string) error {
		b, err := bundle.Open(from)
		if err != nil {
			return err
		}
		all, err := b.Select(context.Background())
		return errors.Join(err, childCopy(all, root))
	},
	"gc": func(root, _ string) error {
		s := &Store{disk: saying(root)}
		_, err := zoo.Collect(context.Background(), s, zoo.CollectOptions{})
		return err
	},
}

// saying prints a line before every operation on the disk.
func saying(root string) disk {
	return disk{root: root, before: func(op, rel string) error {
		_, err := fmt.Fprintln(os.Stdout, op, rel)
		return err
	}}
}

func childCopy(all *zoo.Selection, root string) error {
	s, err := create(saying(root))
	if err != nil {
		return err
	}
	_, err = zoo.Copy(context.Background(), all, s, zoo.CopyOptions{Jobs: 2})
	return err
}

// runKilled starts a child and kills it after so many lines, and reports whether it came to its end before.
func runKilled(t *testing.T, verb, root, from string, lines int) bool {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	command := exec.CommandContext(t.Context(), self)
	command.Env = append(os.Environ(), childRoot+"="+root, childVerb+"="+verb, childName+"="+from)
	var said bytes.Buffer
	command.Stderr = &said
	stdout, err := command.StdoutPipe()
	check(t, err)
	check(t, command.Start())
	out := bufio.NewScanner(stdout)
	for n := 0; out.Scan(); n++ {
		if strings.HasPrefix(out.Text(), "error") {
			t.Errorf("%s: %s", verb, out.Text())
		}
		if n == lines {
			check(t, command.Process.Kill())
		}
	}
	err = command.Wait()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.Exited()) {
		t.Fatalf("%s failed: %v %s", verb, err, said.String())
	}
	return err == nil
}

// killSource is a store with objects that share blobs, with tags and with what is about them.
func killSource(t *testing.T) (*Store, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "source")
	s, err := Create(root)
	check(t, err)
	for i := range 4 {
		o := storetest.Object("alice/mnist", fmt.Sprintf("1.0.%d", i), strings.Repeat(fmt.Sprint(i), 10_000))
		e, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{Tags: []string{fmt.Sprint("t", i)}})
		check(t, err)
		about, blobs := storetest.Referrer(e, fmt.Sprint("about ", i))
		for d, b := range blobs {
			check(t, s.Put(t.Context(), d, int64(len(b)), bytes.NewReader(b)))
		}
		check(t, s.PutReferrer(t.Context(), e.Digest, about))
	}
	return s, root
}

// TestKilledCopies kills copies and imports at random moments until one comes through: each time all that is seen is whole,
// and in the end everything has come.
func TestKilledCopies(t *testing.T) {
	t.Parallel()
	source, sourceRoot := killSource(t)
	all, err := zoo.SelectAll(t.Context(), source)
	check(t, err)
	file := filepath.Join(t.TempDir(), "bundle.tar")
	var packed bytes.Buffer
	check(t, bundle.Write(t.Context(), &packed, all, bundle.WriteOptions{}))
	check(t, os.WriteFile(file, packed.Bytes(), 0o600))
	for verb, from := range map[string]string{"copy": sourceRoot, "import": file} {
		t.Run(verb, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 4))
			root := filepath.Join(t.TempDir(), "target")
			kills := 0
			for !runKilled(t, verb, root, from, 2+random.IntN(20)+kills/2) {
				kills++
				s, err := Open(root)
				if errors.Is(err, zoo.ErrNotFound) {
					continue // killed before there was a store
				}
				check(t, err)
				report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{})
				check(t, err)
				if len(report.Damaged) > 0 {
					t.Fatalf("after %d kills: %v", kills, report.Damaged)
				}
				if kills > 300 {
					t.Fatal("it never comes through")
				}
			}
			t.Logf("%d kills", kills)
			if kills < 5 {
				t.Errorf("%d kills are too few to show anything", kills)
			}
			s, err := Open(root)
			check(t, err)
			copied, err := zoo.SelectAll(t.Context(), s)
			check(t, err)
			if diff := cmp.Diff(string(all.Index()), string(copied.Index())); diff != "" {
				t.Errorf("(-source +copy):\n%s", diff)
			}
		})
	}
}

// TestKilledCollections kills collections of garbage: what is named stays whole, and in the end the garbage is gone.
func TestKilledCollections(t *testing.T) {
	t.Parallel()
	s, root := killSource(t)
	all, err := zoo.SelectAll(t.Context(), s)
	check(t, err)
	const pieces = 60
	for i := range pieces {
		text := fmt.Sprint("garbage ", i)
		check(t, s.Put(t.Context(), schema.DigestOf([]byte(text)), int64(len(text)), strings.NewReader(text)))
	}
	e, blobs := storetest.Referrer(storetest.EntryFor("gone"), "about what is gone")
	for d, b := range blobs {
		check(t, s.Put(t.Context(), d, int64(len(b)), bytes.NewReader(b)))
	}
	check(t, s.PutReferrer(t.Context(), storetest.EntryFor("gone").Digest, e))
	old := time.Now().Add(-48 * time.Hour)
	for d, err := range s.AllBlobs(t.Context()) {
		check(t, err)
		check(t, os.Chtimes(s.disk.abs(zoo.BlobPath(d)), old, old))
	}
	random := rand.New(rand.NewPCG(5, 6))
	kills := 0
	for !runKilled(t, "gc", root, "", random.IntN(12)) {
		kills++
		report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{})
		check(t, err)
		if len(report.Damaged) > 0 {
			t.Fatalf("after %d kills: %v", kills, report.Damaged)
		}
		if kills > 300 {
			t.Fatal("it never comes through")
		}
	}
	t.Logf("%d kills", kills)
	if kills < 5 {
		t.Errorf("%d kills are too few to show anything", kills)
	}
	if r, err := zoo.Collect(t.Context(), s, zoo.CollectOptions{DryRun: true, Now: func() time.Time { return time.Now().Add(48 * time.Hour) }}); err != nil || r.Blobs > 0 {
		t.Errorf("left: %+v, %v", r, err)
	}
	if about, err := s.Referrers(t.Context(), storetest.EntryFor("gone").Digest); err != nil || len(about) > 0 {
		t.Errorf("a marker leads to what is gone: %v, %v", about, err)
	}
	kept, err := zoo.SelectAll(t.Context(), s)
	check(t, err)
	if diff := cmp.Diff(string(all.Index()), string(kept.Index())); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// TestUseOfWhatIsOld notes a use, and sees that of somebody else's file as one that cannot be noted.
func TestUseOfWhatIsOld(t *testing.T) {
	s, err := Create(t.TempDir())
	check(t, err)
	d := schema.DigestOf([]byte("old"))
	check(t, s.Put(t.Context(), d, 3, strings.NewReader("old")))
	path := s.disk.abs(zoo.BlobPath(d))
	for what, do := range map[string]func() error{
		"Use": func() error { _, err := s.Use(t.Context(), d); return err },
		"Put": func() error { return s.Put(t.Context(), d, 3, strings.NewReader("old")) },
	} {
		old := time.Now().Add(-48 * time.Hour)
		check(t, os.Chtimes(path, old, old))
		check(t, do())
		if swept, err := s.Sweep(t.Context(), d, time.Now().Add(-time.Hour)); swept || err != nil {
			t.Errorf("%s was not noted: %v", what, err)
		}
	}
	old := time.Now().Add(-48 * time.Hour)
	check(t, os.Chtimes(path, old, old))
	s.disk.before = func(op, _ string) error {
		if op == opTouch {
			return os.ErrPermission
		}
		return nil
	}
	if _, err := s.Use(t.Context(), d); !errors.Is(err, zoo.ErrNotFound) {
		t.Errorf("a use that cannot be noted: got error %v", err)
	}
	check(t, s.Put(t.Context(), d, 3, strings.NewReader("old")))
	if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) > time.Hour {
		t.Errorf("it was not replaced: %v, %v", info, err)
	}
}
