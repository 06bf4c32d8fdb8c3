package runner

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart.
var (
	// ErrDead: an earlier trap left the instance in an unknown state.
	ErrDead = errors.New("the engine has trapped before: its instance cannot be used again")
	// ErrOtherWork: the work folder belongs to another specification or engine.
	ErrOtherWork = errors.New("the interrupted work is of another specification or engine")
	// ErrDeadline: the child process was killed because a request took too long.
	ErrDeadline = errors.New("the engine's process was stopped")
	// ErrChild: the child process that ran the engine ended or broke the protocol.
	ErrChild = errors.New("the engine's process ended")
)

// EngineError is a status other than 0 that an export returned. The engine goes on working.
type EngineError struct {
	Export string
	Status int32
	Text   string // from the engine's section
}

func (e *EngineError) Error() string {
	return fmt.Sprintf("engine: %s failed with status %d: %s", e.Export, e.Status, e.Text)
}

// TrapError is a call that was stopped by the runtime.
type TrapError struct {
	Export string
	Reason string // "out of fuel", "unreachable", "out of bounds memory access", …
	// Fuel is the budget of the call that ran out of it, else 0.
	Fuel int64
}

// OutOfFuel is the Reason of a call that used up its budget.
const OutOfFuel = "out of fuel"

func (e *TrapError) Error() string {
	if e.Reason == OutOfFuel {
		return fmt.Sprintf("engine: %s ran out of fuel: it used up its %d loop iterations and calls", e.Export, e.Fuel)
	}
	return fmt.Sprintf("engine: %s trapped: %s", e.Export, e.Reason)
}

// MicrobatchError says which microbatch of a step failed.
type MicrobatchError struct {
	Step, Microbatch int64
	Err              error
}

func (e *MicrobatchError) Error() string {
	return fmt.Sprintf("step %d, microbatch %d: %v", e.Step, e.Microbatch, e.Err)
}

func (e *MicrobatchError) Unwrap() error { return e.Err }

// StepError says which step's apply failed.
type StepError struct {
	Step int64
	Err  error
}

func (e *StepError) Error() string { return fmt.Sprintf("step %d: %v", e.Step, e.Err) }

func (e *StepError) Unwrap() error { return e.Err }
