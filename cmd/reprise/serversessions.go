package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/bundle"
)

// noSessions says why a store can have no sessions, if so. Theirs is a record that moves by compare-and-swap, beside blobs that are of
// no name: a registry has neither.
func noSessions(s zoo.Store) string {
	if _, scoped := s.(zoo.Scoped); scoped {
		return "its store is a registry, where two servers could go on with the same session and not know of each other"
	}
	if _, file := s.(*bundle.Store); file {
		return "its store is a bundle, which cannot be written to"
	}
	return ""
}

// openSessions lets the sessions of a store go on.
func openSessions(ctx context.Context, s zoo.Store, log *slog.Logger) (*trainer.Sessions, error) {
	return trainer.Open(ctx, trainer.Environment{
		Store:   newSessionStore(s),
		Prepare: func(ctx context.Context, q trainer.Request) (*trainer.Job, error) { return prepareSession(ctx, s, q) },
		Data: func(ctx context.Context, c *schema.Closure) (runner.Data, error) {
			archive := runner.Archive{Closure: c, Dataset: datasetsOf(s)}
			return archive.Data(ctx)
		},
		Publish: func(ctx context.Context, c *schema.Closure, contents []closure.Content) (string, error) {
			return publishContents(ctx, s, c, contents)
		},
		// One engine is enough to follow: the participants train.
		Team: runner.TeamOptions{Workers: 1, Child: &runner.ChildOptions{}},
		Log:  log,
	})
}

// prepareSession makes of a request what is to be trained.
func prepareSession(ctx context.Context, s zoo.Store, q trainer.Request) (*trainer.Job, error) {
	job, err := sessionJob(ctx, s, q)
	if err != nil {
		return nil, err
	}
	c := job.Document
	if q.Name != "" {
		c.Name = q.Name
	}
	if q.Version != "" {
		c.Version = q.Version
	}
	if err := schema.CheckName(c.Name); err != nil {
		return nil, schema.Invalidf("session", "name", "%v", err)
	}
	if err := schema.CheckVersion(c.Version); err != nil {
		return nil, schema.Invalidf("session", "version", "%v", err)
	}
	if _, err := s.Version(ctx, c.Name, c.Version); err == nil {
		return nil, schema.Invalidf("session", "version", "%s:%s is published already: choose another version", c.Name, c.Version)
	}
	return job, nil
}

func sessionJob(ctx context.Context, s zoo.Store, q trainer.Request) (*trainer.Job, error) {
	if q.Closure != "" {
		return closureJob(ctx, s, q)
	}
	spec, err := schema.ReadSpecification("specification", []byte(q.Specification))
	if err != nil {
		return nil, err
	}
	if spec.Engine != "" {
		return nil, schema.Invalidf("specification", "engine", "a session compiles its engine; start one of your own engine from a closure that has it")
	}
	if q.Steps > 0 {
		spec.Algorithm.Steps, spec.Algorithm.Epochs = q.Steps, nil
	}
	p := &project{path: "specification", spec: spec}
	if err := p.resolve(ctx, s); err != nil {
		return nil, err
	}
	plan, err := runner.NewPlan(p.resolved, schema.DigestOf(p.wasm))
	if err != nil {
		return nil, err
	}
	document, err := p.closure(plan)
	return &trainer.Job{Document: document, Engine: p.wasm}, err
}

// closureJob repeats the training of a closure, or goes on with it.
func closureJob(ctx context.Context, s zoo.Store, q trainer.Request) (*trainer.Job, error) {
	r, err := zoo.Resolve(ctx, s, q.Closure)
	if err != nil {
		return nil, err
	}
	m, err := zoo.Manifest(ctx, s, r)
	if err != nil {
		return nil, err
	}
	if m.ArtifactType != schema.MediaTypeClosure {
		return nil, schema.Invalidf(q.Closure, "", "is a %s, not a closure", zoo.Kind(m.ArtifactType))
	}
	parent := &runner.Archive{Digest: r.Entry.Digest, Blobs: zoo.BlobsOf(s, r.Name), Dataset: datasetsOf(s)}
	if parent.Closure, err = closure.LoadClosure(ctx, parent.Blobs, m); err != nil {
		return nil, err
	}
	child := *parent.Closure
	if q.Steps == 0 && len(parent.Closure.Earlier) > 0 {
		return nil, schema.Invalidf(q.Closure, "", "its engine was replaced on the way, which no session repeats: replay it with \"reprise replay\", or go on with it for more steps")
	}
	if q.Steps == 0 && parent.Closure.Imported != nil {
		return nil, schema.Invalidf(q.Closure, "", "its run began with imported parameters, which no session repeats: replay it with \"reprise replay\", or go on with it for more steps")
	}
	job := &trainer.Job{Document: &child, Parent: child.Name + ":" + child.Version, Relation: schema.RelationRetrained}
	if child.Created, err = createdNow(); err != nil {
		return nil, err
	}
	if q.Steps > 0 {
		job.Relation = schema.RelationResumed
		child.Algorithm.Steps += q.Steps
		if job.From, err = parent.From(ctx); err != nil {
			return nil, err
		}
	}
	child.Parents = []schema.Parent{{Digest: parent.Digest, Relation: job.Relation}}
	if child.Version, err = freeVersion(ctx, s, child.Name, nextMinor(child.Version)); err != nil {
		return nil, err
	}
	child.Parameters, child.Run, child.Results, child.Files = schema.ParametersClaim{}, schema.RunClaim{}, nil, nil
	plan, err := runner.NewPlan(child.Resolved(), child.Engine.Digest)
	if err != nil {
		return nil, err
	}
	child.Specification = plan.Specification
	if job.Engine, err = parent.Engine(ctx); err != nil {
		return nil, err
	}
	if job.First, err = parent.First(ctx); err != nil {
		return nil, err
	}
	if job.Beside, err = licenceOf(ctx, parent); err != nil {
		return nil, err
	}
	job.Beside, err = carriedOn(ctx, parent, job.Beside)
	return job, err
}

// freeVersion is the first minor version from a given one on that is not published.
func freeVersion(ctx context.Context, s zoo.Store, name, version string) (string, error) {
	taken, err := s.Versions(ctx, name)
	if err != nil {
		return "", err
	}
	for {
		free := true
		for _, t := range taken {
			free = free && t != version
		}
		next := nextMinor(version)
		if free || next == version {
			return version, nil
		}
		version = next
	}
}

// publishContents makes a closure of files that are in memory, and publishes it.
func publishContents(ctx context.Context, s zoo.Store, c *schema.Closure, contents []closure.Content) (string, error) {
	dir, err := os.MkdirTemp("", "reprise-session-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := closure.Write(dir, c, contents...); err != nil {
		return "", withoutPath(err, dir)
	}
	d, err := closure.Open(dir)
	if err != nil {
		return "", withoutPath(err, dir)
	}
	m, blobs, err := d.Pack(ctx)
	if err != nil {
		return "", withoutPath(err, dir)
	}
	_, err = zoo.Publish(ctx, s, zoo.Object{Name: c.Name, Version: c.Version, Manifest: m, Blobs: zoo.Packed(blobs)}, zoo.PublishOptions{})
	return c.Name + ":" + c.Version, err
}

// withoutPath keeps a folder of the server out of what visitors see.
func withoutPath(err error, dir string) error {
	return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), dir, "the closure"))
}
