package zoo_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func TestResolve(t *testing.T) {
	s := memory.New()
	for _, v := range []string{"1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1"} {
		publish(t, s, storetest.Object("mnist", v, v), zoo.PublishOptions{})
	}
	best := publish(t, s, storetest.Object("mnist", "1.0.1", "1.0.1"), zoo.PublishOptions{Tags: []string{"best"}})
	publish(t, s, storetest.Object("alice/early", "0.1.0-b", "b"), zoo.PublishOptions{})
	publish(t, s, storetest.Object("alice/early", "0.1.0-a", "a"), zoo.PublishOptions{})

	for _, c := range []struct{ ref, name, version, tag string }{
		{"mnist", "mnist", "1.10.0", ""},
		{"mnist:1.0.0", "mnist", "1.0.0", ""},
		{"mnist:2.0.0-rc.1", "mnist", "2.0.0-rc.1", ""},
		{"mnist:best", "mnist", "", "best"},
		{"alice/early", "alice/early", "0.1.0-b", ""},
		{"mnist@" + best.Digest.String(), "mnist", "", ""},
	} {
		t.Run(c.ref, func(t *testing.T) {
			r, err := zoo.Resolve(t.Context(), s, c.ref)
			if err != nil {
				t.Fatal(err)
			}
			if r.Name != c.name || r.Version != c.version || r.Tag != c.tag {
				t.Errorf("got %+v", r)
			}
			if r.Version == "" && r.Entry != best {
				t.Errorf("got the entry %+v, want %+v", r.Entry, best)
			}
			m, err := zoo.Manifest(t.Context(), s, r)
			if err != nil || r.Reference() != c.name+"@"+m.Digest().String() {
				t.Errorf("Manifest: %v; Reference: %s", err, r.Reference())
			}
		})
	}
}

func TestResolveSaysWhatThereIs(t *testing.T) {
	s := memory.New()
	publish(t, s, storetest.Object("mnist", "1.0.0", "a"), zoo.PublishOptions{Tags: []string{"best"}})
	for v := range strings.FieldsSeq("1 2 3 4 5 6 7 8 9 10") {
		publish(t, s, storetest.Object("many", "1."+v+".0", v), zoo.PublishOptions{})
	}
	for _, c := range []struct{ ref, want string }{
		{"cifar", "cifar: not found: the store has many, mnist"},
		{"cifar:1.0.0", "cifar: not found: the store has many, mnist"},
		{"mnist:2.0.0", "mnist:2.0.0: not found: mnist has the versions 1.0.0 and the tags best"},
		{"mnist:worst", "mnist:worst: not found: mnist has the versions 1.0.0 and the tags best"},
		{"many:3.0.0", "many:3.0.0: not found: many has the versions 1.10.0, 1.9.0, 1.8.0, 1.7.0, 1.6.0, 1.5.0, 1.4.0, 1.3.0 and 2 more"},
		{"mnist@" + schema.DigestOf(nil).String(), "mnist@" + schema.DigestOf(nil).String() + ": not found"},
	} {
		_, err := zoo.Resolve(t.Context(), s, c.ref)
		if !isNotFound(err) || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.ref, err, c.want)
		}
	}
	if _, err := zoo.Resolve(t.Context(), memory.New(), "mnist"); err == nil || err.Error() != "mnist: not found: the store is empty" {
		t.Errorf("an empty store: got %v", err)
	}
	for _, ref := range []string{"", ":", "mnist:", "mnist:a/b", "mnist@sha256:12", "../mnist", "a/b/c:1.0.0"} {
		if _, err := zoo.Resolve(t.Context(), s, ref); !isInvalid(err) {
			t.Errorf("%q: got error %v, want *schema.Invalid", ref, err)
		}
	}
}

func TestResolveWhatIsNoManifest(t *testing.T) {
	s := memory.New()
	d := schema.DigestOf([]byte("text"))
	if err := s.Put(t.Context(), d, 4, strings.NewReader("text")); err != nil {
		t.Fatal(err)
	}
	if _, err := zoo.Resolve(t.Context(), s, "mnist@"+d.String()); !isInvalid(err) {
		t.Errorf("got error %v, want *schema.Invalid", err)
	}
}

func TestListAndHistory(t *testing.T) {
	s := memory.New()
	for _, v := range []string{"1.0.0", "2.0.0-rc.1", "0.9.0"} {
		publish(t, s, storetest.Object("mnist", v, v), zoo.PublishOptions{})
	}
	publish(t, s, storetest.Dataset("alice/digits", "1.0.0", "x"), zoo.PublishOptions{})
	if err := s.SwapTag(t.Context(), "tagged", "best", schema.Digest{}, storetest.EntryFor("a")); err != nil {
		t.Fatal(err)
	}
	list, err := zoo.List(t.Context(), s)
	if diff := cmp.Diff([]string{"alice/digits:1.0.0 dataset", "mnist:1.0.0 closure"}, lines(list)); err != nil || diff != "" {
		t.Errorf("List: %v (-want +got):\n%s", err, diff)
	}
	history, err := zoo.History(t.Context(), s, "mnist")
	want := []string{"mnist:2.0.0-rc.1 closure", "mnist:1.0.0 closure", "mnist:0.9.0 closure"}
	if diff := cmp.Diff(want, lines(history)); err != nil || diff != "" {
		t.Errorf("History: %v (-want +got):\n%s", err, diff)
	}
	if _, err := zoo.History(t.Context(), s, "cifar"); !isNotFound(err) {
		t.Errorf("History of an unknown name: got error %v", err)
	}
	if empty, err := zoo.List(t.Context(), memory.New()); err != nil || empty == nil || len(empty) != 0 {
		t.Errorf("List of an empty store: got %v, %v; want an empty list, which is [] in JSON", empty, err)
	}
}

func lines(entries []schema.ListEntry) []string {
	var out []string
	for _, e := range entries {
		if e.Digest.IsZero() || e.Created != "2026-01-31T12:00:00Z" {
			out = append(out, "incomplete")
		}
		out = append(out, e.Name+":"+e.Version+" "+e.Kind)
	}
	return out
}
