package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Compiler makes the engine of a resolved specification again. Specifications are those of strangers: an implementation bounds
// time and memory, best in a process of its own.
type Compiler interface {
	// Compile returns the digest of the engine. A specification that does not compile is *schema.Invalid; any other error says
	// that nothing was found out.
	Compile(ctx context.Context, r schema.Resolved) (schema.Digest, error)
	// Version is that of the compiler, as engines name it.
	Version() string
}

// Limits of recompiling.
const (
	compileDeadline = 20 * time.Second
	compileQueue    = 256 // closures that wait to be checked in the background
	maxLayers       = maxTableRows
)

// derivations compiles one specification at a time, and remembers what came out.
type derivations struct {
	compiler Compiler
	log      *slog.Logger
	slot     semaphore
	answers  *cache[schema.Digest, DerivationAnswer] // by closure

	mu      sync.Mutex
	waiting map[schema.Digest]*schema.Closure
	busy    bool
	stopped context.Context
}

func newDerivations(ctx context.Context, compiler Compiler, log *slog.Logger) *derivations {
	return &derivations{
		compiler: compiler, log: log, slot: newSemaphore(1), answers: newCache[schema.Digest, DerivationAnswer](1 << 16),
		waiting: map[schema.Digest]*schema.Closure{}, stopped: ctx,
	}
}

// known is the derivation as far as it is known without compiling.
func (d *derivations) known(digest schema.Digest, c *schema.Closure) string {
	if c.Engine.Foreign {
		return schema.Foreign
	}
	if a, ok := d.answers.get(digest); ok {
		return a.Derivation
	}
	return Unchecked
}

// of compiles, unless that was done before.
func (d *derivations) of(ctx context.Context, digest schema.Digest, c *schema.Closure) (DerivationAnswer, error) {
	if a, ok := d.answers.get(digest); ok {
		return a, nil
	}
	a, final, err := d.derive(ctx, c)
	if err == nil && final {
		d.answers.put(digest, a, 1)
	}
	return a, err
}

// derive compares engines, in the words of runner's verify. It reports whether the answer will stay the same.
func (d *derivations) derive(ctx context.Context, c *schema.Closure) (a DerivationAnswer, final bool, err error) {
	if c.Engine.Foreign {
		return DerivationAnswer{schema.Foreign, "its authors declare a foreign engine: only what is computed blindly is proved"}, true, nil
	}
	if f, ok := closure.FindFile(c, schema.PathEngine); !ok || f.Digest != c.Engine.Digest {
		return DerivationAnswer{schema.Foreign, "the engine among its files is not the one that the closure names"}, true, nil
	}
	if d.compiler == nil {
		return DerivationAnswer{Unchecked, "this server has no compiler"}, false, nil
	}
	a, final, err = d.engine(ctx, c.Name, c.Engine, c.Resolved())
	for _, e := range c.Earlier {
		if err != nil || a.Derivation != schema.Derived {
			break
		}
		if a, final, err = d.engine(ctx, c.Name, e.Engine, e.Resolved()); a.Derivation != schema.Derived {
			a.Reason = "of an engine that ran before this one: " + a.Reason
		}
	}
	return a, final, err
}

// engine is derive for one of a closure's engines.
func (d *derivations) engine(ctx context.Context, name string, e schema.EngineReference, r schema.Resolved) (a DerivationAnswer, final bool, err error) {
	if len(r.Model.Layers) > maxLayers {
		return DerivationAnswer{Unchecked, "the model has too many layers to be compiled by this server: verify it yourself"}, true, nil
	}
	if err := d.slot.acquire(ctx); err != nil {
		return a, false, err
	}
	defer d.slot.release()
	limited, cancel := context.WithTimeout(ctx, compileDeadline)
	defer cancel()
	made, err := d.compiler.Compile(limited, r)
	invalid := isInvalid(err)
	switch {
	case err == nil && made == e.Digest:
		return DerivationAnswer{schema.Derived, "compiling the specification again gave the same engine, byte for byte"}, true, nil
	case err != nil && !invalid:
		if ctx.Err() != nil {
			return a, false, ctx.Err() // nobody waits any more
		}
		d.log.Warn("derivation", "name", name, "error", err)
		// What took too much once is not tried at every look.
		return DerivationAnswer{Unchecked, "this server could not compile the specification: verify it yourself"}, true, nil
	case e.Compiler != "" && e.Compiler != d.compiler.Version():
		return DerivationAnswer{schema.OtherCompiler, "the engine was made by compiler " + shorten(e.Compiler, 64) + ", and this server has " +
			d.compiler.Version() + ": only what is computed blindly is proved"}, true, nil
	case invalid:
		return DerivationAnswer{schema.Foreign, "the engine is not declared foreign, and the specification does not compile, so it cannot have been made from it: " + shorten(oneLine(err), 400)}, true, nil
	}
	return DerivationAnswer{schema.Foreign, "the engine is not declared foreign, but it is not what the specification compiles to: it is " +
		e.Digest.Short() + ", and compiling gives " + made.Short()}, true, nil
}

// oneLine is what is wrong with a specification, as part of a sentence.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// later checks a closure in the background, one after the other. Too many at once are forgotten: whoever looks again asks again.
func (d *derivations) later(digest schema.Digest, c *schema.Closure) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.compiler == nil || len(d.waiting) >= compileQueue {
		return
	}
	d.waiting[digest] = c
	if !d.busy {
		d.busy = true
		go d.work()
	}
}

func (d *derivations) work() {
	for {
		digest, c, ok := d.next()
		if !ok {
			return
		}
		if _, err := d.of(d.stopped, digest, c); err != nil && d.stopped.Err() == nil {
			d.log.Warn("derivation", "name", c.Name, "error", err)
		}
	}
}

// next takes a closure from those that wait; without one the work ends.
func (d *derivations) next() (schema.Digest, *schema.Closure, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped.Err() == nil {
		for digest, c := range d.waiting {
			delete(d.waiting, digest)
			return digest, c, true
		}
	}
	d.busy = false
	return schema.Digest{}, nil, false
}

func (s *Service) derivation(c *gin.Context) error {
	ctx := c.Request.Context()
	o, err := s.closureAt(ctx, c.Query("ref"))
	if err != nil {
		return err
	}
	a, err := s.derivations.of(ctx, o.digest, o.closure)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, a)
}

// semaphore bounds how many do something at a time.
type semaphore chan struct{}

func newSemaphore(n int) semaphore { return make(semaphore, n) }

func (s semaphore) acquire(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s semaphore) release() { <-s }
