package runner

import (
	"context"
)

// TeamOptions say where and with how many replicas an engine runs. The zero value is one replica in this process.
type TeamOptions struct {
	Options
	Workers int // replicas; 0 means 1
	// Child runs the engine in a child process; nil in this one.
	Child *ChildOptions
}

// Start loads an engine and makes a team of it. Closing the team releases everything. An engine that is not acceptable, or
// that the records do not fit, gives *schema.Invalid.
func Start(ctx context.Context, wasm []byte, data Data, o TeamOptions) (Team, error) {
	o.Workers = max(o.Workers, 1)
	if o.Child != nil {
		return startChild(ctx, wasm, data, o)
	}
	r := Open(ctx, o.Options)
	e, err := r.Load(ctx, wasm)
	if err != nil {
		r.Close(ctx)
		return nil, err
	}
	w, err := NewWorkers(ctx, e, data, o.Workers)
	if err != nil {
		r.Close(ctx)
		return nil, err
	}
	return &local{Workers: w, runtime: r}, nil
}

// local is a team with a runtime of its own.
type local struct {
	*Workers
	runtime *Runtime
}

// Close implements Team.
func (l *local) Close() error {
	if err := l.Workers.Close(); err != nil {
		return err
	}
	l.runtime.Close(context.Background())
	return nil
}

// RuntimeName names what executes engines here, for reports.
func RuntimeName(o Options) string {
	if o.Interpreter {
		return "wazero interpreter"
	}
	return "wazero"
}
