package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/metrics"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

// compileFlag makes this program compile one specification for a server, which is its parent.
const compileFlag = "compile-for-parent"

// Limits of that process.
const (
	compileMemory = 1 << 30
	compileTime   = 30 * time.Second // the parent gives up before
	compileInput  = 32 << 20
	compileOutput = 1 << 20
)

// processCompiler compiles specifications of strangers, each in a process of its own: what takes too long is killed, and what
// takes too much memory takes it from nobody else.
type processCompiler struct{}

// compiled is what the process answers.
type compiled struct {
	Engine  schema.Digest `json:"engine,omitzero"`
	Invalid string        `json:"invalid,omitempty"`
}

func (processCompiler) Version() string { return wasm.Version }

func (processCompiler) Compile(ctx context.Context, r schema.Resolved) (schema.Digest, error) {
	program, err := os.Executable()
	if err != nil {
		return schema.Digest{}, err
	}
	specification, err := json.Marshal(r)
	if err != nil {
		return schema.Digest{}, err
	}
	cmd := exec.CommandContext(ctx, program, "serve", "--"+compileFlag)
	cmd.Stdin = bytes.NewReader(specification)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return schema.Digest{}, fmt.Errorf("the compiler's process was stopped: %w", ctx.Err())
	}
	if err != nil {
		return schema.Digest{}, fmt.Errorf("the compiler's process ended: %w", err)
	}
	var answer compiled
	if err := json.Unmarshal(out[:min(len(out), compileOutput)], &answer); err != nil {
		return schema.Digest{}, fmt.Errorf("the compiler's process answered: %w", err)
	}
	if answer.Invalid != "" {
		return schema.Digest{}, schema.Invalidf(schema.PathClosure, "", "%s", answer.Invalid)
	}
	return answer.Engine, nil
}

// compileForParent is the other end.
func compileForParent(in io.Reader, out io.Writer) error {
	stop := time.AfterFunc(compileTime, func() { os.Exit(exitFailed) })
	defer stop.Stop()
	done := make(chan struct{})
	defer close(done)
	go watchMemory(done)
	var r schema.Resolved
	if err := json.NewDecoder(io.LimitReader(in, compileInput)).Decode(&r); err != nil {
		return fmt.Errorf("specification: %w", err)
	}
	var answer compiled
	engine, err := wasm.Compile(r, wasm.Options{})
	var invalid *schema.Invalid
	switch {
	case err == nil:
		answer.Engine = schema.DigestOf(engine)
	case errors.As(err, &invalid):
		answer.Invalid = invalid.Error()
	default:
		return err
	}
	return json.NewEncoder(out).Encode(answer)
}

// watchMemory ends the process when it has more memory than it may.
func watchMemory(done <-chan struct{}) {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	for tick := time.Tick(20 * time.Millisecond); ; {
		select {
		case <-done:
			return
		case <-tick:
			metrics.Read(sample)
			if sample[0].Value.Uint64() > compileMemory {
				os.Exit(exitFailed)
			}
		}
	}
}
