package runner

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/reprise-ml/reprise/schema"
)

// ChildOptions bound a child process. The zero value is the usual one.
type ChildOptions struct {
	// Memory is the address space that the child may take beyond what it has when it starts, in bytes; 0 means what its
	// records and replicas may need, and half as much again.
	Memory int64
	// Deadline is the time that one request may take before the child is killed; 0 means DefaultDeadline. A request is a
	// step, or a piece of an evaluation.
	Deadline time.Duration
	// Grace is the time that a child gets to end its present microbatch when the context is cancelled, or to exit when it
	// is closed, before it is killed; 0 means DefaultGrace.
	Grace time.Duration
}

// Defaults of ChildOptions.
const (
	DefaultDeadline = 5 * time.Minute
	DefaultGrace    = 10 * time.Second
)

// child is a Team in a process of its own. The parent's collector never waits for an engine, and an engine that does not
// end is ended from outside.
type child struct {
	options  ChildOptions
	workers  int64
	section  *schema.EngineSection
	layout   layout
	requests *bufio.Writer
	replies  chan message
	stdin    io.Closer
	process  *os.Process
	killed   chan struct{} // closed by kill
	ended    chan struct{} // closed when the process is gone; why is set then
	why      error
	broken   error // what every call returns after the first failure of the process
}

var _ Team = (*child)(nil)

// message is what the child answered.
type message struct {
	reply   reply
	payload []byte
}

func startChild(ctx context.Context, wasm []byte, data Data, o TeamOptions) (Team, error) {
	c, err := spawn(*o.Child, o.Workers)
	if err != nil {
		return nil, err
	}
	if err := c.open(ctx, wasm, data, o); err != nil {
		closeTeam(c)
		return nil, err
	}
	return c, nil
}

// spawn starts this program again as a child.
func spawn(o ChildOptions, workers int) (*child, error) {
	if o.Deadline == 0 {
		o.Deadline = DefaultDeadline
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("engine process: %w", err)
	}
	cmd := exec.Command(program)
	// Nothing of the environment is an engine's business. One thread more than workers answers while all of them run.
	cmd.Env = []string{childVariable + "=1", fmt.Sprintf("GOMAXPROCS=%d", workers+1), "GOTRACEBACK=single"}
	last := &tail{}
	cmd.Stderr = last
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	dieWithParent(cmd)
	c := &child{
		options: o, workers: int64(workers), requests: bufio.NewWriterSize(stdin, 1<<16), replies: make(chan message),
		stdin: stdin, killed: make(chan struct{}), ended: make(chan struct{}),
	}
	started := make(chan error)
	go func() {
		// A child's parent, to the kernel, is the thread that started it: this one has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.read(stdout)
		err = cmd.Wait()
		c.why = ErrChild
		if text := last.firstLine(); text != "" {
			c.why = fmt.Errorf("%w: %s", ErrChild, text)
		} else if err != nil {
			c.why = fmt.Errorf("%w: %w", ErrChild, err)
		}
		close(c.ended)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("engine process: %w", err)
	}
	c.process = cmd.Process
	return c, nil
}

// kill ends the process, and nobody waits for its replies any more.
func (c *child) kill() {
	select {
	case <-c.killed:
	default:
		close(c.killed)
		// It may be gone already.
		_ = c.process.Kill()
	}
}

// read passes replies on until the child's end.
func (c *child) read(stdout io.Reader) {
	r := bufio.NewReaderSize(stdout, 1<<16)
	for {
		var m message
		var err error
		if m.payload, err = readMessage(r, &m.reply, maxMessage); err != nil {
			return
		}
		select {
		case c.replies <- m:
		case <-c.killed:
			return
		}
	}
}

// tail keeps the first bytes of what a dying child says.
type tail struct{ bytes.Buffer }

func (t *tail) Write(b []byte) (int, error) {
	if room := 4096 - t.Len(); room > 0 {
		t.Buffer.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

func (t *tail) firstLine() string {
	line, _, _ := strings.Cut(t.String(), "\n")
	return strings.TrimSpace(line)
}

// call sends a request and waits for its reply, until the deadline.
func (c *child) call(ctx context.Context, q request, payload ...[]byte) (reply, []byte, error) {
	if c.broken != nil {
		return reply{}, nil, c.broken
	}
	if err := ctx.Err(); err != nil {
		return reply{}, nil, err
	}
	deadline := time.NewTimer(c.options.Deadline)
	defer deadline.Stop()
	// A child that is stuck does not read: writing must not outlast the deadline either.
	written := make(chan error, 1)
	go func() { written <- writeMessage(c.requests, q, payload...) }()
	done, replies := ctx.Done(), (chan message)(nil)
	var stopping error // the context's, once the child has been told
	for {
		select {
		case err := <-written:
			if err != nil {
				return reply{}, nil, c.fail(nil)
			}
			// The reply may be there before the write returns; taken now, the next request cannot overlap this one.
			written, replies = nil, c.replies
		case m := <-replies:
			return m.reply, m.payload, m.reply.Error.err()
		case <-c.ended:
			return reply{}, nil, c.fail(nil)
		case <-deadline.C:
			if stopping != nil {
				return reply{}, nil, c.fail(stopping)
			}
			return reply{}, nil, c.fail(fmt.Errorf("%w: %s took longer than %v", ErrDeadline, q.Op, c.options.Deadline))
		case <-done:
			done = nil
			if written != nil {
				return reply{}, nil, c.fail(ctx.Err())
			}
			deadline.Reset(c.options.Grace)
			stopping = ctx.Err()
			if err := writeMessage(c.requests, request{Op: opCancel}); err != nil {
				return reply{}, nil, c.fail(ctx.Err())
			}
		}
	}
}

// fail ends the child. The reason is kept: nil means what the process died of.
func (c *child) fail(reason error) error {
	c.kill()
	<-c.ended
	if reason == nil {
		reason = c.why
	}
	c.broken = reason
	return reason
}

// load sends the engine.
func (c *child) load(ctx context.Context, wasm []byte, data Data, o TeamOptions) error {
	q := request{Op: opOpen, Workers: o.Workers, Interpreter: o.Interpreter, Fuel: o.Fuel, Memory: o.Memory, MemoryLimit: o.Child.Memory}
	if q.MemoryLimit == 0 {
		q.MemoryLimit = defaultMemoryLimit(wasm, data, o)
	}
	answer, _, err := c.call(ctx, q, wasm)
	if err != nil {
		return err
	}
	c.section, c.layout = answer.Section, newLayout(answer.Section)
	return nil
}

// open sends engine and records.
func (c *child) open(ctx context.Context, wasm []byte, data Data, o TeamOptions) error {
	if err := c.load(ctx, wasm, data, o); err != nil {
		return err
	}
	for role, r := range map[string]Records{schema.RoleTrain: data.Train, schema.RoleTest: data.Test} {
		if r == nil {
			continue
		}
		if err := c.send(ctx, role, r); err != nil {
			return err
		}
	}
	_, _, err := c.call(ctx, request{Op: opStart})
	return err
}

// defaultMemoryLimit is generous: it is there to stop what has gone wrong.
func defaultMemoryLimit(wasm []byte, data Data, o TeamOptions) int64 {
	const runtime = 512 << 20 // Go's heap grows in large pieces, and compiling takes some
	need := int64(o.Workers)*o.memory() + 64*int64(len(wasm))
	for _, r := range []Records{data.Train, data.Test} {
		if r != nil {
			need += r.Len() * int64(r.Layout().Size)
		}
	}
	return runtime + need + need/2
}

// send copies a split into the child, some megabytes at a time.
func (c *child) send(ctx context.Context, role string, r Records) error {
	if err := c.layout.fitRecords(role, r); err != nil {
		return err
	}
	const piece = 4 << 20
	record := r.Layout()
	in, out := record.Input.Bytes(), record.Target.Bytes()
	n := max(1, piece/max(1, in+out))
	indices := make([]uint32, 0, n)
	input, target := make([]byte, n*in), make([]byte, n*out)
	for from := int64(0); from < r.Len(); from += int64(n) {
		indices = indices[:0]
		for k := from; k < min(from+int64(n), r.Len()); k++ {
			indices = append(indices, uint32(k))
		}
		m := len(indices)
		if err := r.Read(ctx, indices, input[:m*in], target[:m*out]); err != nil {
			return err
		}
		q := request{Op: opRecords, Role: role, Layout: &record, Records: int64(m), Total: r.Len()}
		if _, _, err := c.call(ctx, q, input[:m*in], target[:m*out]); err != nil {
			return err
		}
	}
	return nil
}

// Close implements Team: the child ends when its input does, or is killed.
func (c *child) Close() error {
	c.stdin.Close()
	grace := time.NewTimer(c.options.Grace)
	defer grace.Stop()
	select {
	case <-c.ended:
	case <-grace.C:
		c.kill()
		<-c.ended
	}
	c.broken = errors.Join(c.broken, os.ErrClosed)
	return nil
}
