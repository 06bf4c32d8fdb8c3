package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/zoo"
)

// project is a specification with everything that it needs: its datasets, found in the store, and its engine.
type project struct {
	path     string // of the specification
	spec     *schema.Specification
	datasets map[string]*dataset // by role
	resolved schema.Resolved
	wasm     []byte
	section  *schema.EngineSection
	memory   int64 // of the engine, bytes
}

// foreign reports whether the specification brings its own engine.
func (p *project) foreign() bool { return p.spec.Engine != "" }

// loadProject reads a specification, finds its datasets and compiles its engine. steps, where it is not 0, replaces the
// length of the training.
func (a *app) loadProject(ctx context.Context, path string, steps int64) (*project, error) {
	text, err := readFile(path, maxSpecification)
	if err != nil {
		return nil, err
	}
	p := &project{path: path}
	if p.spec, err = schema.ReadSpecification(path, text); err != nil {
		return nil, err
	}
	if steps != 0 {
		p.spec.Algorithm.Steps, p.spec.Algorithm.Epochs = steps, nil
	}
	s, err := a.openStore(ctx)
	if err != nil {
		return nil, err
	}
	return p, p.resolve(ctx, s)
}

// resolve finds the datasets of the specification in a store, and compiles it.
func (p *project) resolve(ctx context.Context, s zoo.Store) error {
	if err := p.findDatasets(ctx, s); err != nil {
		return err
	}
	documents := make(map[string]*schema.Dataset, len(p.datasets))
	for role, d := range p.datasets {
		documents[role] = d.document
	}
	var err error
	if p.resolved, err = wasm.Resolve(p.spec, documents); err != nil {
		return inDocument(p.path, err)
	}
	return p.loadEngine()
}

// findDatasets finds what the roles refer to.
func (p *project) findDatasets(ctx context.Context, s zoo.Store) error {
	p.datasets = map[string]*dataset{}
	for role, use := range p.spec.Datasets {
		d, err := loadDataset(ctx, s, use.Ref)
		if err != nil {
			err = fmt.Errorf("%s: datasets.%s.ref: %w", p.path, role, err)
			if errors.Is(err, zoo.ErrNotFound) && exitCode(err) != exitDamaged {
				err = withHint(err, "import it (reprise dataset import), or name the store that has it with --store")
			}
			return err
		}
		p.datasets[role] = d
	}
	return nil
}

// loadEngine compiles the engine, or reads the one that the specification names.
func (p *project) loadEngine() error {
	var err error
	name := "the compiled engine"
	if p.foreign() {
		name = p.spec.Engine
		p.wasm, err = readFile(filepath.Join(filepath.Dir(p.path), p.spec.Engine), engine.MaxSize)
	} else {
		p.wasm, err = wasm.Compile(p.resolved, wasm.Options{})
	}
	if err != nil {
		return inDocument(p.path, err)
	}
	e, err := engine.Parse(p.wasm)
	if err != nil {
		return inDocument(name, err)
	}
	p.section, p.memory = e.Section, e.Memory
	return nil
}

// compile is how verify and replay derive an engine.
func compile(r schema.Resolved) ([]byte, error) { return wasm.Compile(r, wasm.Options{}) }

// inDocument makes an error about a document call it as the user does.
func inDocument(name string, err error) error {
	var invalid *schema.Invalid
	if !errors.As(err, &invalid) {
		return err
	}
	return &schema.Invalid{Document: name, Problems: invalid.Problems}
}

// maxSpecification is far beyond what people write by hand.
const maxSpecification = 1 << 20

// readFile reads a file that the user named. One that is not there, or too large, is a wrong argument.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	if int64(len(b)) > limit {
		return nil, schema.Invalidf(path, "", "has more than %d bytes", limit)
	}
	return b, nil
}

// fileError says what is wrong with a file that the user named.
func fileError(path string, err error) error {
	var reason *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usagef("check the path", "%s: there is no such file", path)
	case errors.As(err, &reason):
		return usagef("check the path", "%s: %v", path, reason.Err)
	}
	return err
}
