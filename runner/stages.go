package runner

import (
	"bytes"
	"context"
	"fmt"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// stage is an engine of a closure, and the first step that it ran.
type stage struct {
	step     int64 // 0 of the one that ran first
	path     string
	plan     Plan
	datasets []schema.ClosureDataset
}

// stages are the closure's engines in the order in which its journal says that they ran. A line that cannot be read says
// nothing: a replay will name it.
func (a *Archive) stages(journal []byte) ([]stage, error) {
	c := a.Closure
	plan, err := NewPlan(c.Resolved(), c.Engine.Digest)
	if err != nil {
		return nil, err
	}
	own := stage{path: schema.PathEngine, plan: plan, datasets: c.Datasets}
	if len(c.Earlier) == 0 {
		return []stage{own}, nil
	}
	all := map[schema.Digest]stage{plan.Engine: own}
	for _, e := range c.Earlier {
		if plan, err = NewPlan(e.Resolved(), e.Engine.Digest); err != nil {
			return nil, err
		}
		all[plan.Engine] = stage{path: schema.PathEarlierEngine(plan.Engine), plan: plan, datasets: e.Datasets}
	}
	var stages []stage
	for text := range bytes.Lines(journal) {
		line, err := schema.ReadJournalLine(schema.PathJournal, bytes.TrimSuffix(text, []byte("\n")))
		if err != nil || line.Type != schema.LineHeader && (line.Type != schema.LineEvent || line.Event != eventEngine) {
			continue
		}
		s, ok := all[line.Engine]
		if !ok {
			return nil, schema.Invalidf(schema.PathJournal, "engine", "step %d: %s is none of the closure's engines, or has run before", line.Step, line.Engine)
		}
		s.step = line.Step
		stages = append(stages, s)
		delete(all, line.Engine)
	}
	for _, s := range all {
		return nil, schema.Invalidf(schema.PathJournal, "engine", "%s of the closure never ran", s.path)
	}
	if last := stages[len(stages)-1]; last.plan.Engine != c.Engine.Digest {
		return nil, schema.Invalidf(schema.PathJournal, "engine", "%s ran last, and is not the closure's", last.path)
	}
	return stages, nil
}

// engineAt reads the engine of a stage, which must be the one that the document names.
func (a *Archive) engineAt(ctx context.Context, path string, want schema.Digest) ([]byte, error) {
	wasm, err := a.file(ctx, path)
	if err != nil {
		return nil, err
	}
	if d := schema.DigestOf(wasm); d != want {
		return nil, schema.Invalidf(schema.PathClosure, "engine.digest", "%s, but %s is %s", want, path, d)
	}
	return wasm, nil
}

// start makes a team of a stage.
func (a *Archive) start(ctx context.Context, s stage, o TeamOptions) (Team, error) {
	wasm, err := a.engineAt(ctx, s.path, s.plan.Engine)
	if err != nil {
		return nil, err
	}
	data, err := a.data(ctx, s.datasets)
	if err != nil {
		return nil, err
	}
	return Start(ctx, wasm, data, o)
}

// First is the engine that began the closure's run, as its journal says.
func (a *Archive) First(ctx context.Context) (schema.Digest, error) {
	journal, err := a.file(ctx, schema.PathJournal)
	if err != nil {
		return schema.Digest{}, err
	}
	stages, err := a.stages(journal)
	if err != nil {
		return schema.Digest{}, err
	}
	return stages[0].plan.Engine, nil
}

// EarlierEngines are the code of the engines that ran before the closure's own, as its files.
func (a *Archive) EarlierEngines(ctx context.Context) ([]closure.Content, error) {
	var contents []closure.Content
	for _, e := range a.Closure.Earlier {
		path := schema.PathEarlierEngine(e.Engine.Digest)
		wasm, err := a.engineAt(ctx, path, e.Engine.Digest)
		if err != nil {
			return nil, fmt.Errorf("an earlier engine: %w", err)
		}
		contents = append(contents, closure.Bytes(path, wasm))
	}
	return contents, nil
}
