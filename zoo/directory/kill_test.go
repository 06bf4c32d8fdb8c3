//go:build unix

package directory

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// childRoot tells this test binary to be a publisher in that directory instead of running tests.
const childRoot = "REPRISE_TEST_CHILD_ROOT"

// childAsks makes a publisher wait for a byte before each write, so that it can be killed inside one.
const childAsks = "REPRISE_TEST_CHILD_ASKS"

// childName is the name under which a publisher publishes.
const childName = "REPRISE_TEST_CHILD_NAME"

func TestMain(m *testing.M) {
	if root := os.Getenv(childRoot); root != "" {
		do := child
		if verb := os.Getenv(childVerb); verb != "" {
			do = childVerbs[verb]
		}
		if err := do(root, os.Getenv(childName)); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child publishes version after version until it is killed. It prints a line before every operation on the disk, and a
// line for every version that is published.
func child(root, name string) error {
	out := bufio.NewWriter(os.Stdout)
	say := func(words ...any) error {
		fmt.Fprintln(out, words...)
		return out.Flush() // an error is a parent that is gone
	}
	asks := os.Getenv(childAsks) != ""
	s, err := create(disk{root: root, before: func(op, rel string) error {
		if err := say(op, rel); err != nil || op != opWrite || !asks {
			return err
		}
		_, err := os.Stdin.Read(make([]byte, 1))
		return err
	}})
	if err != nil {
		return err
	}
	ctx := context.Background()
	versions, err := s.Versions(ctx, name)
	if err != nil {
		return err
	}
	for i := len(versions); ; i++ {
		version := fmt.Sprintf("1.0.%d", i)
		o := storetest.Object(name, version, name+version)
		if _, err := zoo.Publish(ctx, s, o, zoo.PublishOptions{Jobs: 1, Tags: []string{"best"}}); err != nil {
			return err
		}
		if err := say("published", version); err != nil {
			return err
		}
	}
}

// publisher is a running child.
type publisher struct {
	command *exec.Cmd
	in      io.Writer
	out     *bufio.Scanner
}

func startPublisher(t *testing.T, root, name string, more ...string) publisher {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	command := exec.Command(self)
	command.Env = append(os.Environ(), append(more, childRoot+"="+root, childName+"="+name)...)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	check(t, err)
	stdout, err := command.StdoutPipe()
	check(t, err)
	check(t, command.Start())
	return publisher{command, stdin, bufio.NewScanner(stdout)}
}

// kill ends the child as the system would, and returns what it had still said.
func (p publisher) kill(t *testing.T) (rest []string) {
	t.Helper()
	check(t, p.command.Process.Kill())
	for p.out.Scan() {
		rest = append(rest, p.out.Text())
	}
	var exit *exec.ExitError
	if err := p.command.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the publisher ended by itself: %v %v", err, rest)
	}
	return rest
}

// TestKilled kills a publisher at random moments, again and again in one store, and every other time inside a write. More in longer runs.
func TestKilled(t *testing.T) {
	t.Parallel()
	kills, err := strconv.Atoi(os.Getenv("REPRISE_TEST_KILLS"))
	if err != nil {
		kills = 40
	}
	root := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	var published []string
	leftovers, insideWrite := 0, 0
	for kill := range kills {
		p := startPublisher(t, root, "alice/mnist", childAsks+"=1")
		// Every other child dies in a write; the others wherever they are by then.
		lines, onWrite := random.IntN(120), kill%2 == 0
		var said []string
		for p.out.Scan() {
			said = append(said, p.out.Text())
			write := strings.HasPrefix(p.out.Text(), opWrite+" ")
			if len(said) > lines && (!onWrite || write) {
				break
			}
			if write {
				_, err := p.in.Write([]byte{0})
				check(t, err)
			}
		}
		said = append(said, p.kill(t)...)
		for _, line := range said {
			if version, ok := strings.CutPrefix(line, "published "); ok {
				published = append(published, version)
			}
		}
		left := wantSound(t, root, published)
		if left > leftovers {
			insideWrite++ // it died with a file that had not got its name
		}
		leftovers = left
	}
	t.Logf("%d versions published, %d of %d kills inside a write", len(published), insideWrite, kills)
	if insideWrite < kills/2 {
		t.Errorf("%d kills hit an unfinished write; want at least %d", insideWrite, kills/2)
	}
	if len(published) == 0 {
		t.Error("no publisher came to publishing")
	}
}

// TestKilledInsideBlob kills a publisher that has written half of a blob and waits for the rest.
func TestKilledInsideBlob(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s, err := Create(root)
	check(t, err)
	text := strings.Repeat("x", 1<<20)
	d := schema.DigestOf([]byte(text))
	var unfinished int64
	// The store is looked at from inside the write: what a process that died here would leave is what others see now.
	r := io.MultiReader(strings.NewReader(text[:1<<19]), readerFunc(func([]byte) (int, error) {
		other, err := Open(root)
		if err != nil {
			return 0, err
		}
		if _, err := other.Stat(t.Context(), d); !errors.Is(err, closure.ErrNotFound) {
			return 0, errors.Join(errors.New("a half-written blob is there"), err)
		}
		files, err := os.ReadDir(s.disk.abs(zoo.UploadsPath))
		if err != nil {
			return 0, err
		}
		for _, f := range files {
			if info, err := f.Info(); err == nil {
				unfinished += info.Size()
			}
		}
		return 0, io.EOF
	}), strings.NewReader(text[1<<19:]))
	check(t, s.Put(t.Context(), d, 1<<20, r))
	if unfinished != 1<<19 {
		t.Errorf("%d bytes were in unfinished files, want %d", unfinished, 1<<19)
	}
	wantSound(t, root, nil)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestSeveralProcesses lets processes publish different names and one name at the same time, in one store.
func TestSeveralProcesses(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	names := []string{"alice/mnist", "alice/mnist", "bob/mnist", "carol/mnist"}
	said := make(chan int, len(names))
	children := make([]publisher, len(names))
	for i, name := range names {
		children[i] = startPublisher(t, root, name)
	}
	for i := range children {
		go func() {
			count := 0
			for count < 10 && children[i].out.Scan() {
				if strings.HasPrefix(children[i].out.Text(), "published ") {
					count++
				}
			}
			said <- count
		}()
	}
	for range children {
		if count := <-said; count < 10 {
			t.Errorf("a publisher stopped after %d versions", count)
		}
	}
	for _, c := range children {
		c.kill(t)
	}
	wantSound(t, root, []string{"1.0.0", "1.0.9"})
}
