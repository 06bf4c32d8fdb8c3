package catalogue_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/api/apitest"
	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/catalogue"
	"github.com/reprise-ml/reprise/zoo/directory"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock moves when it is told.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func open(t testing.TB, s zoo.Store, path string, c *clock) *catalogue.Catalogue {
	t.Helper()
	o := catalogue.Options{Store: s, Path: path}
	if c != nil {
		o.Now = c.now
	}
	index, err := catalogue.Open(context.Background(), o)
	check(t, err)
	t.Cleanup(func() { check(t, index.Close()) })
	return index
}

func refresh(t testing.TB, index *catalogue.Catalogue, want bool) {
	t.Helper()
	changed, err := index.Refresh(context.Background())
	check(t, err)
	if changed != want {
		t.Errorf("Refresh said %v", changed)
	}
}

func find(t testing.TB, index *catalogue.Catalogue, q catalogue.Query) []string {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	r, err := index.Search(context.Background(), q)
	check(t, err)
	var names []string
	for _, i := range r.Items {
		names = append(names, i.Name+":"+i.Version)
	}
	if r.Total < len(names) {
		t.Errorf("%d of %d", len(names), r.Total)
	}
	return names
}

func TestSearch(t *testing.T) {
	s := memory.New()
	z, err := apitest.New(t.Context(), s)
	check(t, err)
	publish := func(name, version, specification string, change func(c *schema.Closure)) {
		_, err := z.Publish(t.Context(), name, version, apitest.Sample{Specification: specification, Change: change})
		check(t, err)
	}
	publish("ada/letters", "1.0.0", "mnist-cnn", func(c *schema.Closure) {
		c.Title, c.Description, c.License, c.Keywords, c.Task, c.Created = "Handwriting, told apart", "A baseline.", "MIT", []string{"glyph"}, "image-classification", "2026-01-01T00:00:00Z"
	})
	publish("ada/letters", "1.1.0-rc.1", "mnist-cnn", func(c *schema.Closure) { c.Title = "Unfinished" })
	publish("grace/table", "1.0.0", "table", func(c *schema.Closure) {
		c.Title, c.Description, c.License, c.Task, c.Created = "Rows of numbers", "Not about letters, but for these.", "Apache-2.0", "tabular", "2026-03-01T00:00:00Z"
	})
	publish("emmy/other", "1.0.0", "mlp", func(c *schema.Closure) {
		c.Title, c.Description, c.License, c.Task, c.Created = "Überraschung", "", "MIT", "image-classification", "2026-02-01T00:00:00Z"
	})
	index := open(t, s, "", nil)
	refresh(t, index, true)
	refresh(t, index, false)
	letters, table, other := "ada/letters:1.0.0", "grace/table:1.0.0", "emmy/other:1.0.0"
	for _, c := range []struct {
		name string
		q    catalogue.Query
		want []string
	}{
		{"everything, the newest first", catalogue.Query{}, []string{table, other, letters}},
		{"by name", catalogue.Query{Sort: catalogue.SortName}, []string{letters, other, table}},
		{"a word in the name before one in the description", catalogue.Query{Text: "letters"}, []string{letters, table}},
		{"the beginning of a word", catalogue.Query{Text: "handw"}, []string{letters}},
		{"all of the words", catalogue.Query{Text: "letters numbers"}, []string{table}},
		{"inside a word", catalogue.Query{Text: "raschun"}, []string{other}},
		{"without its dots", catalogue.Query{Text: "uberrasch"}, []string{other}},
		{"a keyword", catalogue.Query{Text: "glyph", Filters: map[string]string{"license": "MIT"}}, []string{letters, other}},
		{"nothing", catalogue.Query{Text: "zebra"}, nil},
		{"what would be syntax", catalogue.Query{Text: `" OR NEAR(* NOT -title:`}, nil},
		{"marks alone are no words", catalogue.Query{Text: `"*()`}, []string{table, other, letters}},
		{"of a superseded version", catalogue.Query{Text: "unfinished"}, nil},
		{"a task", catalogue.Query{Filters: map[string]string{"task": "tabular"}}, []string{table}},
		{"an author", catalogue.Query{Text: "example", Sort: catalogue.SortName}, []string{letters, other, table}},
		{"an order that there is not", catalogue.Query{Sort: "best"}, []string{table, other, letters}},
		{"a facet that there is not", catalogue.Query{Filters: map[string]string{"colour": "red"}}, nil},
		{"a value that there is not", catalogue.Query{Filters: map[string]string{"task": "chess"}}, nil},
		{"another kind", catalogue.Query{Kind: "application/x"}, nil},
		{"a dataset", catalogue.Query{Filters: map[string]string{"dataset": "glyphs"}}, []string{other, letters}},
		{"an architecture", catalogue.Query{Filters: map[string]string{"architecture": catalogue.Convolutional}}, []string{letters}},
		{"two filters", catalogue.Query{Filters: map[string]string{"license": "MIT", "dataset": "table"}}, nil},
		{"unverified", catalogue.Query{Filters: map[string]string{"verified": "none"}}, []string{table, other, letters}},
		{"runnable", catalogue.Query{Runnable: true, Sort: catalogue.SortName}, []string{letters, other, table}},
		{"a part", catalogue.Query{Sort: catalogue.SortName, Offset: 1, Limit: 1}, []string{other}},
		{"beyond the end", catalogue.Query{Offset: 10}, nil},
		{"datasets", catalogue.Query{Kind: "dataset", Sort: catalogue.SortName}, []string{"glyphs:1.0.0", "table:1.0.0"}},
		{"a dataset by its title", catalogue.Query{Kind: "dataset", Text: "drawn"}, []string{"glyphs:1.0.0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, find(t, index, c.q)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	r, err := index.Search(t.Context(), catalogue.Query{Filters: map[string]string{"license": "MIT"}, Limit: 1})
	check(t, err)
	want := map[string][]schema.FacetValue{
		"license": {{Value: "MIT", Count: 2}, {Value: "Apache-2.0", Count: 1}}, // what other filters leave
		"task":    {{Value: "image-classification", Count: 2}},
	}
	for facet, values := range want {
		if diff := cmp.Diff(values, r.Facets[facet]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", facet, diff)
		}
	}
	if r.Total != 2 || len(r.Items) != 1 || len(r.Items[0].Document) == 0 || r.Items[0].Size == 0 {
		t.Errorf("%+v", r)
	}
	versions, err := index.Versions(t.Context(), "ada/letters")
	if err != nil || len(versions) != 2 || versions[0].Version != "1.1.0-rc.1" {
		t.Errorf("versions: %+v, %v", versions, err)
	}
	users, err := index.Users(t.Context(), z.Table.Digest)
	if err != nil || len(users) != 1 || users[0].Name != "grace/table" {
		t.Errorf("users: %+v, %v", users, err)
	}
	if _, ok, err := index.Object(t.Context(), z.Table.Digest); !ok || err != nil {
		t.Errorf("Object: %v, %v", ok, err)
	}
}

// TestFollowsTheStore adds, removes, damages, repairs, records and withdraws.
func TestFollowsTheStore(t *testing.T) {
	for _, scanned := range []bool{true, false} {
		t.Run(fmt.Sprint("scanned ", scanned), func(t *testing.T) {
			backing := memory.New()
			var s zoo.Store = backing
			if !scanned {
				s = struct{ zoo.Store }{backing}
			}
			time0 := &clock{time.Now()}
			index := open(t, s, "", time0)
			refresh(t, index, false)
			publish := func(o zoo.Object) zoo.Entry {
				e, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{})
				check(t, err)
				return e
			}
			first := publish(storetest.Object("mnist", "1.0.0", "a"))
			refresh(t, index, true)
			publish(storetest.Object("mnist", "1.1.0", "b"))
			publish(storetest.Object("cifar", "1.0.0", "c"))
			refresh(t, index, true)
			want := []string{"cifar:1.0.0", "mnist:1.1.0"}
			if got := find(t, index, catalogue.Query{}); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}

			r, err := zoo.Resolve(t.Context(), s, "mnist:1.0.0")
			check(t, err)
			_, err = zoo.Withdraw(t.Context(), s, r, "wrong labels", "2026-02-01T00:00:00Z")
			check(t, err)
			check(t, index.Recount(t.Context(), first.Digest))
			if item, ok, err := index.Object(t.Context(), first.Digest); !ok || err != nil || item.Withdrawn != "wrong labels" {
				t.Errorf("%+v, %v", item, err)
			}
			r, err = zoo.Resolve(t.Context(), s, "cifar")
			check(t, err)
			_, err = zoo.Withdraw(t.Context(), s, r, "wrong data", "2026-02-01T00:00:00Z")
			check(t, err)
			refresh(t, index, false) // not yet
			time0.at = time0.at.Add(time.Minute)
			refresh(t, index, true)
			if item, _, err := index.Object(t.Context(), r.Entry.Digest); err != nil || item.Withdrawn != "wrong data" || item.WithdrawnAt != "2026-02-01T00:00:00Z" {
				t.Errorf("%+v, %v", item, err)
			}

			// What cannot be read is listed by its name, until it can.
			damaged := storetest.Object("broken", "1.0.0", "d")
			publish(damaged)
			config := damaged.Manifest.Config
			check(t, backing.DeleteBlob(t.Context(), config.Digest))
			refresh(t, index, true)
			items, err := index.Versions(t.Context(), "broken")
			if err != nil || len(items) != 1 || items[0].Problem == "" || len(items[0].Document) != 0 {
				t.Errorf("%+v, %v", items, err)
			}
			if got := find(t, index, catalogue.Query{Text: "broken"}); len(got) != 1 {
				t.Errorf("found %v", got)
			}
			time0.at = time0.at.Add(time.Minute)
			refresh(t, index, false)
			check(t, s.Put(t.Context(), config.Digest, config.Size, bytes.NewReader(damaged.Blobs.(storetest.Bytes)[config.Digest])))
			time0.at = time0.at.Add(time.Minute)
			refresh(t, index, true)
			if items, err = index.Versions(t.Context(), "broken"); err != nil || len(items) != 1 || items[0].Problem != "" {
				t.Errorf("%+v, %v", items, err)
			}
		})
	}
}

func TestVersionsThatGo(t *testing.T) {
	root := t.TempDir()
	s, err := directory.Create(root)
	check(t, err)
	for _, v := range []string{"1.0.0", "1.1.0"} {
		_, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", v, v), zoo.PublishOptions{})
		check(t, err)
	}
	path := filepath.Join(t.TempDir(), "index.sqlite")
	index := open(t, s, path, nil)
	refresh(t, index, true)
	check(t, os.Remove(filepath.Join(root, zoo.VersionPath("mnist", "1.1.0"))))
	refresh(t, index, true)
	if got := find(t, index, catalogue.Query{Text: "mnist"}); !slices.Equal(got, []string{"mnist:1.0.0"}) {
		t.Errorf("got %v", got)
	}
	// Another process finds the index as it is.
	second := open(t, s, path, nil)
	if got := find(t, second, catalogue.Query{}); !slices.Equal(got, []string{"mnist:1.0.0"}) {
		t.Errorf("got %v", got)
	}
	refresh(t, second, false)
	check(t, os.Remove(filepath.Join(root, zoo.VersionPath("mnist", "1.0.0"))))
	refresh(t, second, true)
	refresh(t, index, false) // the other has done it
	if got := find(t, index, catalogue.Query{}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// TestKeptAnswers searches for the same words before and after versions come and go.
func TestKeptAnswers(t *testing.T) {
	root := t.TempDir()
	s, err := directory.Create(root)
	check(t, err)
	z, err := apitest.New(t.Context(), s)
	check(t, err)
	publish := func(name, version, title string) {
		_, err := z.Publish(t.Context(), name, version, apitest.Sample{Change: func(c *schema.Closure) { c.Title = title }})
		check(t, err)
	}
	index := open(t, s, "", nil)
	for _, step := range []struct {
		name   string
		change func()
		want   []string
	}{
		{"at first", func() { publish("one", "1.0.0", "of glaciers") }, []string{"one:1.0.0"}},
		{"another name", func() { publish("two", "1.0.0", "of glaciers, too") }, []string{"one:1.0.0", "two:1.0.0"}},
		{"a version without the word", func() { publish("one", "1.1.0", "of rivers") }, []string{"two:1.0.0"}},
		{"that version goes", func() { check(t, os.Remove(filepath.Join(root, zoo.VersionPath("one", "1.1.0")))) }, []string{"one:1.0.0", "two:1.0.0"}},
		{"the newest goes", func() { check(t, os.Remove(filepath.Join(root, zoo.VersionPath("two", "1.0.0")))) }, []string{"one:1.0.0"}},
		{"another comes in its place", func() { publish("three", "1.0.0", "of rivers") }, []string{"one:1.0.0"}},
		{"and another", func() { publish("four", "1.0.0", "of glaciers") }, []string{"four:1.0.0", "one:1.0.0"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.change()
			refresh(t, index, true)
			for _, text := range []string{"glacier", "lacier"} {
				if diff := cmp.Diff(step.want, find(t, index, catalogue.Query{Text: text, Sort: catalogue.SortName})); diff != "" {
					t.Errorf("%s: (-want +got):\n%s", text, diff)
				}
			}
		})
	}
}

// TestRunnable looks for closures whose dataset is there, is damaged, and is repaired.
func TestRunnable(t *testing.T) {
	s := memory.New()
	z, err := apitest.New(t.Context(), s)
	check(t, err)
	for _, specification := range []string{"table", "mlp"} {
		_, err := z.Publish(t.Context(), "of-"+specification, "1.0.0", apitest.Sample{Specification: specification})
		check(t, err)
	}
	size, err := s.Stat(t.Context(), z.Table.Digest)
	check(t, err)
	manifest, err := closure.ReadBlob(t.Context(), s, "manifest", z.Table.Digest, size, closure.MaxManifest)
	check(t, err)
	check(t, s.DeleteBlob(t.Context(), z.Table.Digest))
	time0 := &clock{time.Now()}
	index := open(t, s, "", time0)
	runnable := func(want ...string) {
		t.Helper()
		refresh(t, index, true)
		if got := find(t, index, catalogue.Query{Runnable: true, Sort: catalogue.SortName}); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		time0.at = time0.at.Add(time.Minute)
	}
	runnable("of-mlp:1.0.0")
	check(t, s.Put(t.Context(), z.Table.Digest, int64(len(manifest)), bytes.NewReader(manifest)))
	runnable("of-mlp:1.0.0", "of-table:1.0.0")
}

// TestAnotherStoreInTheSamePlace empties the folder of a store and publishes the same versions of something else.
func TestAnotherStoreInTheSamePlace(t *testing.T) {
	root, path := t.TempDir(), filepath.Join(t.TempDir(), "index.sqlite")
	for _, content := range []string{"first", "second"} {
		check(t, os.RemoveAll(root))
		s, err := directory.Create(root)
		check(t, err)
		e, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", content), zoo.PublishOptions{})
		check(t, err)
		check(t, os.Chtimes(filepath.Join(root, zoo.VersionPath("mnist", "1.0.0")), time.Time{}, time.Unix(int64(len(content)), 0)))
		index := open(t, s, path, nil)
		refresh(t, index, true)
		items, err := index.Versions(t.Context(), "mnist")
		if err != nil || len(items) != 1 || items[0].Entry.Digest != e.Digest {
			t.Errorf("%s: %+v, %v", content, items, err)
		}
		refresh(t, index, false)
		// A copy of the tree has files of another age, and is the same store.
		check(t, os.Chtimes(filepath.Join(root, zoo.VersionPath("mnist", "1.0.0")), time.Time{}, time.Unix(9, 0)))
		refresh(t, index, true)
		refresh(t, index, false)
	}
}

func TestIndexesThatCannotBeUsed(t *testing.T) {
	s := memory.New()
	_, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", "a"), zoo.PublishOptions{})
	check(t, err)
	for name, spoil := range map[string]func(path string) error{
		"no database": func(path string) error {
			return os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600)
		},
		"of another release": func(path string) error {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				return err
			}
			_, err = db.ExecContext(t.Context(), "PRAGMA user_version = 99")
			return errors.Join(err, db.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "folder", "index.sqlite")
			check(t, os.MkdirAll(filepath.Dir(path), 0o700))
			check(t, spoil(path))
			index := open(t, s, path, nil)
			refresh(t, index, true)
			if got := find(t, index, catalogue.Query{}); len(got) != 1 {
				t.Errorf("got %v", got)
			}
		})
	}
	if _, err := catalogue.Open(t.Context(), catalogue.Options{Store: s, Path: filepath.Join(os.DevNull, "x", "index.sqlite")}); err == nil {
		t.Error("an index in a place that cannot be")
	}
}

// TestSeveral shares one index, and one store, between catalogues that refresh while objects are published.
func TestSeveral(t *testing.T) {
	s := memory.New()
	path := filepath.Join(t.TempDir(), "index.sqlite")
	own, shared, alsoShared := open(t, s, "", nil), open(t, s, path, nil), open(t, s, path, nil)
	var all sync.WaitGroup
	for p := range 3 {
		all.Go(func() {
			for v := range 8 {
				o := storetest.Object(fmt.Sprintf("p%d", p), fmt.Sprintf("1.%d.0", v), fmt.Sprint(p, v))
				if _, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, index := range []*catalogue.Catalogue{own, shared, alsoShared} {
		all.Go(func() {
			for range 10 {
				if _, err := index.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
				if _, err := index.Search(t.Context(), catalogue.Query{Text: "p1", Limit: 10}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for _, index := range []*catalogue.Catalogue{own, shared, alsoShared} {
		_, err := index.Refresh(t.Context())
		check(t, err)
		if got := find(t, index, catalogue.Query{Sort: catalogue.SortName}); !slices.Equal(got, []string{"p0:1.7.0", "p1:1.7.0", "p2:1.7.0"}) {
			t.Errorf("got %v", got)
		}
	}
}

func TestStopsWithItsContext(t *testing.T) {
	s := memory.New()
	_, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", "a"), zoo.PublishOptions{})
	check(t, err)
	index := open(t, s, "", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := index.Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Refresh: got error %v", err)
	}
	if _, err := index.Search(ctx, catalogue.Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Search: got error %v", err)
	}
	refresh(t, index, true)
}

// TestCommonWords finds more objects than are ranked: those with the word in their names come first, the newest of them first.
func TestCommonWords(t *testing.T) {
	const many = 520
	s := memory.New()
	for i := range many {
		o := storetest.Object(fmt.Sprintf("common-%d", i), "1.0.0", fmt.Sprint(i))
		_, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{})
		check(t, err)
	}
	z, err := apitest.New(t.Context(), s)
	check(t, err)
	_, err = z.Publish(t.Context(), "other", "1.0.0", apitest.Sample{Change: func(c *schema.Closure) {
		c.Description, c.Created = "Nothing in common.", "2030-01-01T00:00:00Z"
	}})
	check(t, err)
	index := open(t, s, "", nil)
	refresh(t, index, true)
	for range 2 { // the second time, from what is kept
		r, err := index.Search(t.Context(), catalogue.Query{Text: "common", Limit: many + 1})
		check(t, err)
		if r.Total != many+1 || len(r.Items) != r.Total || r.Items[many].Name != "other" {
			t.Errorf("%d found, the last is %s", r.Total, r.Items[len(r.Items)-1].Name)
		}
	}
}
