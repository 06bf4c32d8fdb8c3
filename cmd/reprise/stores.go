package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/bundle"
	"github.com/reprise-ml/reprise/zoo/directory"
	"github.com/reprise-ml/reprise/zoo/s3"
)

// defaultStore is where closures live if nobody says otherwise.
const defaultStore = "./.reprise"

// storeKind is a kind of place where a store can live.
type storeKind struct {
	name  string // in a word, for people
	spelt string // what --store looks like
	// open opens the store at a place, as it was given with --store. Unless create is set, nothing is changed there and a
	// store that is not there is zoo.ErrNotFound.
	open func(ctx context.Context, a *app, place string, create bool) (zoo.Store, error)
}

// storeKinds are by the scheme of their URLs; a place without a scheme is a directory. It is filled in by init, as opening
// a store of one kind may need a store of another.
var storeKinds map[string]storeKind

func init() {
	storeKinds = map[string]storeKind{
		"":        {"directory", "./zoo", openDirectory},
		s3.Scheme: {"s3", "s3://bucket/prefix", openS3},
		"oci":     {"registry", "oci://registry.example.org/zoo", openRegistry},
		"https":   {"server", "https://zoo.example.org", openRegistry},
		"http":    {"server", "http://localhost:8080", openRegistry},
	}
}

// scheme is what a place that is a URL begins with.
var scheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://`)

// storePlace is where the store is.
func (a *app) storePlace() string {
	return cmp.Or(a.store, os.Getenv("REPRISE_STORE"), defaultStore)
}

// kindOfStore finds the kind of store that lives at a place.
func kindOfStore(place string) (storeKind, error) {
	var prefix string
	if m := scheme.FindStringSubmatch(place); m != nil {
		prefix = m[1]
	}
	kind, ok := storeKinds[strings.ToLower(prefix)]
	if !ok {
		return storeKind{}, usagef("name a store such as "+spellings(), "%q is not a kind of store", prefix+"://")
	}
	return kind, nil
}

// spellings lists what --store can look like.
func spellings() string {
	list := []string{storeKinds[""].spelt}
	for _, s := range []string{"s3", "oci", "http", "https"} {
		if kind, ok := storeKinds[s]; ok {
			list = append(list, kind.spelt)
		}
	}
	return strings.Join(list, " or ")
}

// openStore opens the store that there is.
func (a *app) openStore(ctx context.Context) (zoo.Store, error) {
	return a.openPlace(ctx, a.storePlace(), false)
}

// createStore opens the store, or makes it.
func (a *app) createStore(ctx context.Context) (zoo.Store, error) {
	return a.openPlace(ctx, a.storePlace(), true)
}

// openPlace opens the store at a place, and makes it first if create is set and there is none.
func (a *app) openPlace(ctx context.Context, place string, create bool) (zoo.Store, error) {
	kind, err := kindOfStore(place)
	if err != nil {
		return nil, err
	}
	s, err := kind.open(ctx, a, place, create)
	if errors.Is(err, zoo.ErrNotFound) {
		return nil, withHint(fmt.Errorf("there is no store in %s: %w", place, zoo.ErrNotFound),
			"name it with --store, or begin one: reprise dataset import")
	}
	return s, err
}

// openDirectory opens a directory, or the bundle that a file is.
func openDirectory(_ context.Context, _ *app, place string, create bool) (zoo.Store, error) {
	if info, err := os.Stat(place); err == nil && info.Mode().IsRegular() {
		return bundle.Open(place) // it lasts as long as the command
	}
	if create {
		return directory.Create(place)
	}
	return directory.Open(place)
}

func openS3(ctx context.Context, a *app, place string, create bool) (zoo.Store, error) {
	o := s3.Options{Warn: func(message string) { a.note("%s", message) }}
	if create {
		return s3.Create(ctx, place, o)
	}
	return s3.Open(ctx, place, o)
}
