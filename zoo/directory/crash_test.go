//go:build unix

package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

var errCrash = errors.New("the process died here")

// work publishes two versions, moves a tag along and adds a referrer. It returns the versions that it was told are
// published.
func work(ctx context.Context, s *Store) (published []string, err error) {
	for _, version := range []string{"1.0.0", "1.1.0"} {
		o := storetest.Object("alice/mnist", version, version)
		e, err := zoo.Publish(ctx, s, o, zoo.PublishOptions{Jobs: 1, Tags: []string{"best"}})
		if err != nil {
			return published, err
		}
		published = append(published, version)
		about, blobs := storetest.Referrer(e, version)
		for _, d := range slices.SortedFunc(maps.Keys(blobs), func(a, b schema.Digest) int { return strings.Compare(a.Hex(), b.Hex()) }) {
			if err := s.Put(ctx, d, int64(len(blobs[d])), bytes.NewReader(blobs[d])); err != nil {
				return published, err
			}
		}
		if err := s.PutReferrer(ctx, e.Digest, about); err != nil {
			return published, err
		}
	}
	return published, nil
}

// wantSound checks what must hold of a store whenever it is looked at: nothing is damaged or half there, and what was
// published is still published. It returns the number of unfinished files left behind: those that have no name but that of the upload.
func wantSound(t *testing.T, root string, published []string) (leftovers int) {
	t.Helper()
	s, err := Open(root)
	if errors.Is(err, zoo.ErrNotFound) && len(published) == 0 {
		return 0 // it did not come to making the store
	}
	check(t, err)
	report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{})
	check(t, err)
	if len(report.Damaged) > 0 {
		t.Fatalf("damaged: %+v", report.Damaged)
	}
	for _, version := range published {
		if _, err := s.Version(t.Context(), "alice/mnist", version); err != nil {
			t.Fatalf("a published version vanished: %v", err)
		}
	}
	uploads, err := os.ReadDir(s.disk.abs(zoo.UploadsPath))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, f := range uploads {
		if info, err := f.Info(); err == nil && strings.HasPrefix(f.Name(), tempPrefix) && info.Sys().(*syscall.Stat_t).Nlink == 1 {
			leftovers++
		}
	}
	return leftovers
}

// TestEveryOperationFails runs the same work again and again and makes its n-th operation on the disk fail, for every n:
// once as an error that the process survives, once as the end of the process, after which no operation happens at all.
func TestEveryOperationFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		cause error
		dies  bool
	}{
		{"full disk", syscall.ENOSPC, false},
		{"crash", errCrash, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				root := t.TempDir()
				count, failed := 0, opRemove
				d := disk{root: root, before: func(op, _ string) error {
					count++
					if count == n {
						failed = op
					}
					if count == n || c.dies && count > n {
						return c.cause
					}
					return nil
				}}
				var published []string
				s, err := create(d)
				if err == nil {
					published, err = work(t.Context(), s)
				}
				if count < n {
					check(t, err)
					t.Logf("%d operations", count)
					return
				}
				if err == nil && failed != opRemove {
					t.Fatalf("operation %d, %s, failed and nobody was told", n, failed)
				}
				if err != nil && !errors.Is(err, c.cause) {
					t.Fatalf("operation %d, %s: got error %v, want %v", n, failed, err, c.cause)
				}
				if err != nil && strings.Contains(err.Error(), root) {
					t.Fatalf("the error tells a path of this machine: %v", err)
				}
				leftovers := wantSound(t, root, published)
				if !c.dies && failed != opRemove && leftovers > 0 {
					t.Fatalf("operation %d, %s, failed and left %d unfinished files", n, failed, leftovers)
				}
				// The next process finishes the work, whatever this one left.
				next, err := create(disk{root: root})
				check(t, err)
				published, err = work(t.Context(), next)
				check(t, err)
				wantSound(t, root, published)
			}
		})
	}
}

// TestOrderOnDisk follows one publication through the disk: bytes are synced before they get their name, and their
// folder after, so that a loss of power is no worse than a crash.
func TestOrderOnDisk(t *testing.T) {
	t.Parallel()
	synced := map[string]bool{} // files whose bytes are on disk
	dirty := map[string]bool{}  // folders whose names are not
	uploaded := ""
	d := disk{root: t.TempDir(), before: func(op, rel string) error {
		folder := path.Dir(rel)
		switch op {
		case opCreate, opWrite:
			synced[rel], uploaded = false, rel
		case opSync:
			synced[rel] = true
		case opLink, opRename:
			if !synced[uploaded] {
				return fmt.Errorf("%s got its name before its bytes were synced", rel)
			}
			if strings.HasPrefix(rel, zoo.RefsPath) && dirty[zoo.BlobsPath] {
				return fmt.Errorf("%s was written before the names of its blobs were synced", rel)
			}
			dirty[folder] = true
		case opSyncDir:
			delete(dirty, rel)
		}
		return nil
	}}
	s, err := create(d)
	check(t, err)
	_, err = work(t.Context(), s)
	check(t, err)
	if len(dirty) > 0 {
		t.Errorf("folders never synced: %v", dirty)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
