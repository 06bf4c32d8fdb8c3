package runner

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/signal"
	"sync"

	"github.com/reprise-ml/reprise/schema"
)

// childVariable marks a process that is to run an engine for its parent.
const childVariable = "REPRISE_ENGINE_PROCESS"

// ChildMain serves a parent over standard input and output, and does not return, if this process was started to run an
// engine. Programs that run engines in child processes call it first in main, and tests in TestMain.
func ChildMain() {
	if os.Getenv(childVariable) == "" {
		return
	}
	// An interrupt in the terminal reaches all its processes. The parent decides.
	signal.Ignore(os.Interrupt)
	s := &server{out: bufio.NewWriterSize(os.Stdout, 1<<16)}
	if err := s.serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// server is the child's side.
type server struct {
	out     *bufio.Writer
	options TeamOptions
	runtime *Runtime
	engine  *Engine
	records map[string]*memoryRecords
	team    *Workers

	mu     sync.Mutex
	cancel context.CancelFunc // of the request that is being answered
}

// incoming is a request with its payload.
type incoming struct {
	request request
	payload []byte
}

// serve answers requests until its input ends.
func (s *server) serve() error {
	requests := make(chan incoming)
	// Reading goes on while a request is answered: to see a cancel, and the parent's end.
	go s.read(requests)
	for q := range requests {
		ctx, cancel := context.WithCancel(context.Background())
		s.mu.Lock()
		s.cancel = cancel
		s.mu.Unlock()
		answer, payload, err := s.answer(ctx, q.request, q.payload)
		cancel()
		answer.Error = toWire(err)
		if err := writeMessage(s.out, answer, payload); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) read(requests chan<- incoming) {
	in := bufio.NewReaderSize(os.Stdin, 1<<16)
	for {
		var q incoming
		var err error
		if q.payload, err = readMessage(in, &q.request, maxMessage); err != nil {
			// The parent is gone or done; an engine that is running is of no use to anybody.
			os.Exit(0)
		}
		if q.request.Op == opCancel {
			s.mu.Lock()
			if s.cancel != nil {
				s.cancel()
			}
			s.mu.Unlock()
			continue
		}
		requests <- q
	}
}

func (s *server) answer(ctx context.Context, q request, payload []byte) (reply, []byte, error) {
	switch q.Op {
	case opOpen:
		return s.open(ctx, q, payload)
	case opRecords:
		return reply{}, nil, s.keep(q, payload)
	case opStart:
		return reply{}, nil, s.start(ctx)
	case opCheck:
		return reply{}, nil, s.engine.conforms(ctx, int(q.First))
	}
	if s.team == nil {
		return reply{}, nil, fmt.Errorf("%s before %s", q.Op, opStart)
	}
	switch q.Op {
	case opInit:
		return reply{}, nil, s.team.Init(ctx, q.Seed)
	case opLoad:
		t, err := unflatten(s.engine.section, payload)
		if err != nil {
			return reply{}, nil, err
		}
		return reply{}, nil, s.team.Load(ctx, t)
	case opSave:
		t, err := s.team.Save(ctx)
		if err != nil {
			return reply{}, nil, err
		}
		var b []byte
		for _, part := range t.flatten(s.engine.section) {
			b = append(b, part...)
		}
		return reply{}, b, nil
	case opSet:
		return reply{}, nil, s.team.Set(ctx, q.Name, q.Value)
	case opStep:
		c, err := s.team.Step(ctx, q.Step, q.Ranges)
		return reply{Counts: c}, nil, err
	case opAccumulate:
		b, err := s.team.Accumulate(ctx, q.Step, q.First, q.End)
		return reply{}, b, err
	case opApply:
		c, err := s.team.Apply(ctx, q.Step, payload)
		return reply{Counts: c}, nil, err
	case opCorrect:
		n, err := s.team.Correct(ctx, q.Role, q.First, q.End)
		return reply{Correct: n}, nil, err
	case opMetrics:
		sums, err := s.team.Metrics(ctx, q.Role, q.First, q.End)
		return reply{Metrics: sums}, nil, err
	case opPredict:
		values, err := s.team.Predict(ctx, payload)
		b := make([]byte, 0, 4*len(values))
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		return reply{}, b, err
	}
	return reply{}, nil, fmt.Errorf("unknown request %q", q.Op)
}

func (s *server) open(ctx context.Context, q request, wasm []byte) (reply, []byte, error) {
	if err := limitMemory(q.MemoryLimit); err != nil {
		return reply{}, nil, err
	}
	s.options = TeamOptions{Options: Options{Interpreter: q.Interpreter, Fuel: q.Fuel, Memory: q.Memory}, Workers: q.Workers}
	s.runtime = Open(ctx, s.options.Options)
	var err error
	if s.engine, err = s.runtime.Load(ctx, wasm); err != nil {
		return reply{}, nil, err
	}
	s.records = map[string]*memoryRecords{}
	return reply{Section: s.engine.section}, nil, nil
}

func (s *server) keep(q request, payload []byte) error {
	r := s.records[q.Role]
	if r == nil {
		r = newMemoryRecords(*q.Layout, q.Total)
		s.records[q.Role] = r
	}
	return r.add(payload, int(q.Records))
}

func (s *server) start(ctx context.Context) error {
	var data Data
	// A nil *memoryRecords would be a Records that is not nil.
	if r := s.records[schema.RoleTrain]; r != nil {
		data.Train = r
	}
	if r := s.records[schema.RoleTest]; r != nil {
		data.Test = r
	}
	var err error
	s.team, err = NewWorkers(ctx, s.engine, data, s.options.Workers)
	return err
}

// memoryRecords is a split in memory.
type memoryRecords struct {
	layout          schema.RecordLayout
	inputs, targets []byte
	in, out         int // bytes of a record's fields
	total           int64
}

func newMemoryRecords(l schema.RecordLayout, total int64) *memoryRecords {
	r := &memoryRecords{layout: l, in: l.Input.Bytes(), out: l.Target.Bytes(), total: total}
	r.inputs, r.targets = make([]byte, 0, total*int64(r.in)), make([]byte, 0, total*int64(r.out))
	return r
}

// add appends n records: their inputs, then their targets.
func (r *memoryRecords) add(b []byte, n int) error {
	if len(b) != n*(r.in+r.out) {
		return fmt.Errorf("%d bytes are not %d records", len(b), n)
	}
	r.inputs, r.targets = append(r.inputs, b[:n*r.in]...), append(r.targets, b[n*r.in:]...)
	return nil
}

// Len implements Records.
func (r *memoryRecords) Len() int64 { return r.total }

// Layout implements Records.
func (r *memoryRecords) Layout() schema.RecordLayout { return r.layout }

// Read implements Records.
func (r *memoryRecords) Read(_ context.Context, indices []uint32, input, target []byte) error {
	for k, i := range indices {
		if int64(i) >= r.total {
			return schema.Invalidf("records", "", "record %d of %d", i, r.total)
		}
		copy(input[k*r.in:(k+1)*r.in], r.inputs[int(i)*r.in:])
		if target != nil {
			copy(target[k*r.out:(k+1)*r.out], r.targets[int(i)*r.out:])
		}
	}
	return nil
}
