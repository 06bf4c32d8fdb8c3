package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
	"github.com/reprise-ml/reprise/wasm/engine"
)

// source is where the participants' vectors come from, which they share.
type source interface {
	// vector is the result of microbatches of the step after the state.
	vector(ctx context.Context, step, first, end int64) (*answer, error)
	// update is called with every update, once, in order.
	update(ctx context.Context, step int64, accumulators []byte) error
}

// answer is a vector on its way.
type answer struct {
	packed []byte
	digest schema.Digest
}

func answerOf(section *schema.EngineSection, accumulators []byte) *answer {
	return &answer{wire.Pack(nil, section, accumulators), wire.CanonicalDigest(section, accumulators)}
}

// burden is a source whose vectors depend on the number of microbatches alone.
type burden struct {
	fixtures.Burden
	section *schema.EngineSection

	mu      sync.Mutex
	vectors map[int64]func() *answer
}

func newBurden(b fixtures.Burden, microbatches int) (*burden, error) {
	e, err := engine.Parse(engineOf(b, microbatches))
	if err != nil {
		return nil, err
	}
	return &burden{Burden: b, section: e.Section, vectors: map[int64]func() *answer{}}, nil
}

func (b *burden) vector(_ context.Context, _, first, end int64) (*answer, error) {
	b.mu.Lock()
	f := b.vectors[end-first]
	if f == nil {
		f = sync.OnceValue(func() *answer { return answerOf(b.section, b.Accumulators(b.section, end-first)) })
		b.vectors[end-first] = f
	}
	b.mu.Unlock()
	return f(), nil
}

func (b *burden) update(context.Context, int64, []byte) error { return nil }

// pupil is a source that computes: a replica of the session, as every participant has one.
type pupil struct {
	mu   sync.Mutex
	team runner.Team
	at   int64 // the step that it is after
}

func newPupil(ctx context.Context, s *subject) (*pupil, error) {
	data, err := s.data(ctx)
	if err != nil {
		return nil, err
	}
	team, err := runner.Start(ctx, s.engine, data, runner.TeamOptions{})
	if err != nil {
		return nil, err
	}
	return &pupil{team: team, at: -1}, team.Init(ctx, s.resolved.Algorithm.Seed)
}

// errLate is what became of a lease whose step is over.
var errLate = errors.New("the step is over")

func (p *pupil) vector(ctx context.Context, step, first, end int64) (*answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if step != p.at+1 {
		return nil, errLate
	}
	accumulators, err := p.team.Accumulate(ctx, step, first, end)
	if err != nil {
		return nil, err
	}
	return answerOf(p.team.Section(), accumulators), nil
}

func (p *pupil) update(ctx context.Context, step int64, accumulators []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if step != p.at+1 {
		return fmt.Errorf("update %d came after step %d", step, p.at)
	}
	p.at = step
	_, err := p.team.Apply(ctx, step, accumulators)
	return err
}

// tracker is a pupil that evaluates every state.
type tracker struct {
	*pupil
	began time.Time

	mu     sync.Mutex
	course []moment
}

func (t *tracker) update(ctx context.Context, step int64, accumulators []byte) error {
	now := time.Now()
	if err := t.pupil.update(ctx, step, accumulators); err != nil {
		return err
	}
	if step == 0 { // it only calibrates
		t.began = now
		return nil
	}
	correct, err := t.team.Correct(ctx, schema.RoleTest, 0, tested)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.course = append(t.course, moment{now.Sub(t.began).Seconds(), 1 - float64(correct)/tested})
	return err
}

// look is the course so far; of no tracker, none.
func (t *tracker) look() []moment {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.course)
}

// examples reads how many an update is the sum of.
func examples(section *schema.EngineSection, accumulators []byte) int64 {
	for _, g := range section.Segments {
		if g.Name == schema.SegmentExamples {
			return int64(binary.LittleEndian.Uint64(accumulators[g.Offset-section.Regions[schema.RegionAccumulators].Offset:]))
		}
	}
	return 0
}
