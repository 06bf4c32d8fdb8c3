package runner

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/reprise-ml/reprise/schema"
)

// The protocol between a process and the child that runs an engine for it: the parent writes requests to the child's
// standard input and reads as many replies from its standard output, in order. Only a cancel request may be sent while
// another is being answered, and has no reply. A message is
//
//	u32 bytes of header, u32 bytes of payload (little endian), header (JSON), payload
//
// Both ends are the same program, so there is no version to negotiate.
const maxMessage = 1<<32 - 1

// Operations of requests.
const (
	opOpen       = "open"    // payload: the engine
	opRecords    = "records" // payload: inputs, then targets, of some records
	opCheck      = "check"   // run the conformance test of number first
	opStart      = "start"   // all records have been sent: make the replicas
	opInit       = "init"
	opLoad       = "load" // payload: parameters and state
	opSave       = "save" // reply's payload: the same
	opSet        = "set"
	opStep       = "step"
	opAccumulate = "accumulate" // reply's payload: accumulators
	opApply      = "apply"      // payload: accumulators
	opCorrect    = "correct"
	opMetrics    = "metrics"
	opPredict    = "predict" // payload: inputs; reply's payload: outputs
	opCancel     = "cancel"
)

// request is a request's header; which fields are set depends on the operation.
type request struct {
	Op          string               `json:"op"`
	Workers     int                  `json:"workers,omitempty"`
	Interpreter bool                 `json:"interpreter,omitempty"`
	Fuel        int64                `json:"fuel,omitempty"`
	Memory      int64                `json:"memory,omitempty"`      // of an instance
	MemoryLimit int64                `json:"memoryLimit,omitempty"` // of the process
	Role        string               `json:"role,omitempty"`
	Layout      *schema.RecordLayout `json:"layout,omitempty"`
	Records     int64                `json:"records,omitempty"` // in this message
	Total       int64                `json:"total,omitempty"`   // that will come
	Seed        int64                `json:"seed,omitempty"`
	Step        int64                `json:"step,omitempty"`
	First       int64                `json:"first,omitempty"`
	End         int64                `json:"end,omitempty"`
	Ranges      Ranges               `json:"ranges,omitempty"`
	Name        string               `json:"name,omitempty"`
	Value       float64              `json:"value,omitempty"`
}

// reply is a reply's header.
type reply struct {
	Error   *wireError            `json:"error,omitempty"`
	Section *schema.EngineSection `json:"section,omitempty"`
	Counts  Counts                `json:"counts,omitzero"`
	Correct int64                 `json:"correct,omitempty"`
	Metrics []int64               `json:"metrics,omitempty"`
}

func writeMessage(w *bufio.Writer, header any, payload ...[]byte) error {
	h, err := json.Marshal(header)
	if err != nil {
		return err
	}
	total := 0
	for _, p := range payload {
		total += len(p)
	}
	if uint64(total) > maxMessage {
		return fmt.Errorf("a message of %d bytes", total)
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(h)))
	b = binary.LittleEndian.AppendUint32(b, uint32(total))
	for _, part := range append([][]byte{b, h}, payload...) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Flush()
}

// readMessage reads a message. The payload is at most limit bytes.
func readMessage(r io.Reader, header any, limit int64) ([]byte, error) {
	var lengths [8]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		return nil, err
	}
	h, p := binary.LittleEndian.Uint32(lengths[:]), binary.LittleEndian.Uint32(lengths[4:])
	const maxHeader = 64 << 20
	if h > maxHeader || int64(p) > limit {
		return nil, fmt.Errorf("a message of %d + %d bytes", h, p)
	}
	text := make([]byte, h)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, header); err != nil {
		return nil, err
	}
	payload := make([]byte, p)
	_, err := io.ReadFull(r, payload)
	return payload, err
}

// wireError carries the errors of this package over the pipe, so that callers cannot tell a child from their own process.
type wireError struct {
	Kind       string           `json:"kind"`
	Message    string           `json:"message,omitempty"`
	Engine     *EngineError     `json:"engine,omitempty"`
	Trap       *TrapError       `json:"trap,omitempty"`
	Step       int64            `json:"step,omitempty"`
	Microbatch int64            `json:"microbatch,omitempty"`
	Cause      *wireError       `json:"cause,omitempty"`
	Problems   []schema.Problem `json:"problems,omitempty"`
}

const (
	kindEngine     = "engine"
	kindTrap       = "trap"
	kindMicrobatch = "microbatch"
	kindStep       = "step"
	kindInvalid    = "invalid"
	kindDead       = "dead"
	kindCanceled   = "canceled"
	kindOther      = "other"
)

func toWire(err error) *wireError {
	//nolint:errorlint // every wrapper is taken off by hand, so that all of them arrive
	switch e := err.(type) {
	case nil:
		return nil
	case *MicrobatchError:
		return &wireError{Kind: kindMicrobatch, Step: e.Step, Microbatch: e.Microbatch, Cause: toWire(e.Err)}
	case *StepError:
		return &wireError{Kind: kindStep, Step: e.Step, Cause: toWire(e.Err)}
	case *EngineError:
		return &wireError{Kind: kindEngine, Engine: e}
	case *TrapError:
		return &wireError{Kind: kindTrap, Trap: e}
	case *schema.Invalid:
		return &wireError{Kind: kindInvalid, Message: e.Document, Problems: e.Problems}
	}
	switch {
	case errors.Is(err, ErrDead):
		return &wireError{Kind: kindDead}
	case errors.Is(err, context.Canceled):
		return &wireError{Kind: kindCanceled}
	}
	return &wireError{Kind: kindOther, Message: err.Error()}
}

func (w *wireError) err() error {
	if w == nil {
		return nil
	}
	switch w.Kind {
	case kindMicrobatch:
		return &MicrobatchError{Step: w.Step, Microbatch: w.Microbatch, Err: w.Cause.err()}
	case kindStep:
		return &StepError{Step: w.Step, Err: w.Cause.err()}
	case kindEngine:
		return w.Engine
	case kindTrap:
		return w.Trap
	case kindInvalid:
		return &schema.Invalid{Document: w.Message, Problems: w.Problems}
	case kindDead:
		return ErrDead
	case kindCanceled:
		return context.Canceled
	}
	return errors.New(w.Message)
}
