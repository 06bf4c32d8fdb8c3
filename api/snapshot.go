package api

import (
	"cmp"
	"slices"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Snapshot is what was in the store at a moment.
type Snapshot struct {
	Closures []*Object // what each name means by itself, in the order of names
	Datasets []*Object
	versions map[string][]*Object        // of a name, the highest first
	byDigest map[schema.Digest]*Object   // the highest version that is this object
	children map[schema.Digest][]*Object // by parent
	users    map[schema.Digest][]*Object // closures by dataset
}

// Object is a version of a name. Exactly one of Closure and Dataset is set.
type Object struct {
	Name, Version string
	Entry         zoo.Entry
	Closure       *schema.Closure
	Dataset       *schema.Dataset
	Records       Records

	created time.Time
	summary Summary // without what changes: records, derivation, curve
	words   []fieldWords
	sample  bool // the records are images
}

// Records counts the verification records of an object.
type Records struct{ Signed, Unsigned int }

// Object returns what the store has under a digest, or nil.
func (s *Snapshot) Object(d schema.Digest) *Object { return s.byDigest[d] }

// newSnapshot orders what was found by name.
func newSnapshot(found [][]*Object) *Snapshot {
	s := &Snapshot{
		versions: map[string][]*Object{}, byDigest: map[schema.Digest]*Object{},
		children: map[schema.Digest][]*Object{}, users: map[schema.Digest][]*Object{},
	}
	for _, objects := range found {
		if len(objects) == 0 {
			continue
		}
		s.versions[objects[0].Name] = objects
		if best := latest(objects); best.Closure != nil {
			s.Closures = append(s.Closures, best)
		} else {
			s.Datasets = append(s.Datasets, best)
		}
		for _, o := range objects {
			if _, ok := s.byDigest[o.Entry.Digest]; !ok {
				s.byDigest[o.Entry.Digest] = o
			}
			if o.Closure != nil {
				s.relate(o)
			}
		}
	}
	byName := func(a, b *Object) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(s.Closures, byName)
	slices.SortFunc(s.Datasets, byName)
	return s
}

// relate enters a closure under its parents and datasets.
func (s *Snapshot) relate(o *Object) {
	for _, p := range o.Closure.Parents {
		s.children[p.Digest] = append(s.children[p.Digest], o)
	}
	seen := map[schema.Digest]bool{}
	for _, d := range o.Closure.Datasets {
		if !seen[d.Digest] {
			seen[d.Digest] = true
			s.users[d.Digest] = append(s.users[d.Digest], o)
		}
	}
}

// latest is what a name alone means: its highest release, else its highest pre-release.
func latest(objects []*Object) *Object {
	for _, o := range objects {
		if !schema.IsPrerelease(o.Version) {
			return o
		}
	}
	return objects[0]
}

// relatives finds the names of parents.
func (s *Snapshot) relatives(parents []schema.Parent) []Relative {
	out := []Relative{}
	for _, p := range parents {
		r := Relative{Digest: p.Digest, Relation: p.Relation}
		if o := s.byDigest[p.Digest]; o != nil {
			r.Name, r.Version = o.Name, o.Version
		}
		out = append(out, r)
	}
	return out
}

// childrenOf lists the closures that name this one as a parent.
func (s *Snapshot) childrenOf(d schema.Digest) []Relative {
	out := []Relative{}
	for _, o := range s.children[d] {
		for _, p := range o.Closure.Parents {
			if p.Digest == d {
				out = append(out, Relative{Digest: o.Entry.Digest, Relation: p.Relation, Name: o.Name, Version: o.Version})
			}
		}
	}
	return out
}

// Summary is what lists say of a closure, but for what changes.
func (o *Object) Summary() Summary { return o.summary }
