package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/reprise-ml/reprise/schema"
)

// CheckReport is the outcome of the conformance tests of an engine.
type CheckReport struct {
	Tests []CheckResult `json:"tests"`
}

// CheckResult is one test; Problem is empty where the engine passed.
type CheckResult struct {
	Name    string `json:"name"`
	Problem string `json:"problem,omitempty"`
	// Skipped: what the test needs failed before.
	Skipped bool `json:"skipped,omitempty"`
}

// Passed reports whether every test did.
func (r *CheckReport) Passed() bool {
	for _, t := range r.Tests {
		if t.Problem != "" || t.Skipped {
			return false
		}
	}
	return true
}

// Check holds an engine to ABI 1: its structure, and then, on synthetic records, what it does. Whatever is wrong with the
// engine is in the report; the error is for what prevented one. With Options.Child the engine runs in a process of its
// own, where the deadline holds for each test.
func Check(ctx context.Context, wasm []byte, o TeamOptions) (*CheckReport, error) {
	tests, sound := structureTests(wasm)
	report := &CheckReport{Tests: tests}
	var run func(ctx context.Context, test int) error
	if sound {
		var end func()
		var err error
		run, end, err = startCheck(ctx, wasm, o)
		if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
			// What only a runtime looks at: the types of instructions.
			report.Tests[len(tests)-1].Problem, sound = invalid.Error(), false
		} else if err != nil {
			return nil, err
		} else {
			defer end()
		}
	}
	for k, test := range conformance {
		result := CheckResult{Name: test.name, Skipped: !sound}
		if sound {
			if err := run(ctx, k); ctx.Err() != nil {
				return nil, ctx.Err()
			} else if err != nil {
				result.Problem = err.Error()
				// An engine that cannot get through a step, or has ended its process, would fail everywhere for one reason.
				sound = k > 0 && !errors.Is(err, ErrDeadline) && !errors.Is(err, ErrChild)
			}
		}
		report.Tests = append(report.Tests, result)
	}
	return report, nil
}

// startCheck loads an engine; run then runs one of the conformance tests, end releases everything.
func startCheck(ctx context.Context, wasm []byte, o TeamOptions) (run func(ctx context.Context, test int) error, end func(), err error) {
	if o.Child != nil {
		// No test holds more replicas than these at once.
		o.Workers = 4
		c, err := spawn(*o.Child, o.Workers)
		if err != nil {
			return nil, nil, err
		}
		if err := c.load(ctx, wasm, Data{}, o); err != nil {
			closeTeam(c)
			return nil, nil, err
		}
		run = func(ctx context.Context, test int) error {
			_, _, err := c.call(ctx, request{Op: opCheck, First: int64(test)})
			return err
		}
		return run, func() { closeTeam(c) }, nil
	}
	r := Open(ctx, o.Options)
	e, err := r.Load(ctx, wasm)
	if err != nil {
		r.Close(ctx)
		return nil, nil, err
	}
	return func(ctx context.Context, test int) error { return e.conforms(ctx, test) }, func() { r.Close(ctx) }, nil
}

// conforms runs one of the conformance tests.
func (e *Engine) conforms(ctx context.Context, test int) error {
	c := &checker{engine: e, records: synthetic(e)}
	defer c.close(ctx)
	return conformance[test].run(ctx, c)
}

// conformance lists the tests. Each says in words what an engine must do; wasm/engine/ABI.md repeats them.
var conformance = []struct {
	name string
	run  func(ctx context.Context, c *checker) error
}{
	{"every export ends within the stated fuel, without a trap", checkEnds},
	{"hyper-parameters have their defaults, and stay as the host sets them", checkHyperparameters},
	{"init gives the same from the same seed, whatever was before", checkInit},
	{"select is a function of its arguments, and changes nothing", checkSelect},
	{"accumulate changes nothing but accumulators", checkAccumulateLeaves},
	{"accumulate does not depend on what ran before, nor on scratch memory", checkAccumulateFresh},
	{"accumulators add up in any order, within the stated bound", checkAccumulateAdds},
	{"two instances that share a step merge to what one adds up", checkAccumulateSplit},
	{"every number of records up to the capacity is legal", checkCounts},
	{"apply is the same on every replica", checkApply},
	{"parameters and state carry everything over", checkRestore},
	{"predict reads inputs and parameters alone, and changes nothing", checkPredict},
	{"evaluations add up, and read parameters alone", checkEvaluate},
	{"what is computed are numbers", checkNumbers},
}

// checker makes instances for one test.
type checker struct {
	engine  *Engine
	records *memoryRecords
	made    []*replica
}

// checkSeed and checkMicrobatches are what the tests use; any would do.
const (
	checkSeed         = 7
	checkMicrobatches = 4
)

// fresh makes an instance and initialises it.
func (c *checker) fresh(ctx context.Context) (*replica, error) {
	r, err := c.blank(ctx)
	if err != nil {
		return nil, err
	}
	return r, r.Init(ctx, checkSeed)
}

// blank makes an instance that has seen no call.
func (c *checker) blank(ctx context.Context) (*replica, error) {
	i, err := c.engine.Instantiate(ctx)
	if err != nil {
		return nil, err
	}
	r := &replica{Instance: i}
	c.made = append(c.made, r)
	return r, nil
}

func (c *checker) close(ctx context.Context) {
	for _, r := range c.made {
		r.Close(ctx)
	}
}

// microbatches is how many of them a test's step has.
func (c *checker) microbatches() int64 {
	return min(checkMicrobatches, c.engine.section.MaxMicrobatches)
}

// alone runs one microbatch from zero accumulators and returns what it adds.
func (c *checker) alone(ctx context.Context, r *replica, step, microbatch int64) ([]byte, error) {
	region := c.engine.layout.accumulators.of(r.memory)
	clear(region)
	if err := r.microbatch(ctx, c.records, step, microbatch); err != nil {
		return nil, &MicrobatchError{Step: step, Microbatch: microbatch, Err: err}
	}
	return append([]byte(nil), region...), nil
}

// step runs a whole step on one instance.
func (c *checker) step(ctx context.Context, r *replica, step int64) error {
	clear(c.engine.layout.accumulators.of(r.memory))
	for u := range c.microbatches() {
		if err := r.microbatch(ctx, c.records, step, u); err != nil {
			return &MicrobatchError{Step: step, Microbatch: u, Err: err}
		}
	}
	if err := r.Apply(ctx, step); err != nil {
		return &StepError{Step: step, Err: err}
	}
	return nil
}

// trained is an instance after steps 0, 1 and 2.
func (c *checker) trained(ctx context.Context) (*replica, error) {
	r, err := c.fresh(ctx)
	for step := int64(0); step < 3 && err == nil; step++ {
		err = c.step(ctx, r, step)
	}
	return r, err
}

// poison fills what no call may expect to find again: scratch memory, and regions that the next call does not read. With
// every bit set, a float is not a number and an integer is −1.
func (c *checker) poison(r *replica) {
	for _, name := range []string{schema.RegionScratch, schema.RegionOutput, schema.RegionIndices} {
		region := r.Region(name)
		for k := range region {
			region[k] = 0xff
		}
	}
}

// sameState says which tensors of two instances differ.
func sameState(a, b Tensors) error {
	for k, t := range append(append([]tensor(nil), a.Parameters...), a.State...) {
		other := append(append([]tensor(nil), b.Parameters...), b.State...)[k]
		if string(t.Data) != string(other.Data) {
			return fmt.Errorf("%s differs", t.Name)
		}
	}
	return nil
}

var errAccumulators = errors.New("the accumulators differ")
