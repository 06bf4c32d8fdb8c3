package zoo

import (
	"io"
	"sync"
)

// Progress is how far a file, and all of them together, are, in bytes. It goes never back but where a file is begun again.
type Progress struct {
	// Path is the file that moved on; empty in the first report, which only tells the total.
	Path        string
	Done, Size  int64 // of the file
	Sent, Total int64 // of all files
}

// progress adds up what several goroutines have done.
type progress struct {
	mu     sync.Mutex
	sum    Progress
	report func(Progress)
}

// newProgress tells the total at once. A nil report is silence.
func newProgress(report func(Progress), total int64) *progress {
	p := &progress{sum: Progress{Total: total}, report: report}
	if report != nil {
		report(p.sum)
	}
	return p
}

// file counts what is read of a file.
func (p *progress) file(path string, size int64, r io.Reader) *countingReader {
	return &countingReader{r: r, p: p, path: path, size: size}
}

// count counts what is read of a file from several readers, one after the other.
func (p *progress) count(path string, size int64) *countingReader {
	return &countingReader{p: p, path: path, size: size}
}

// of goes on counting with another reader.
func (c *countingReader) of(r io.Reader) io.Reader {
	if c.p.report == nil {
		return r
	}
	c.r = r
	return c
}

// restart takes back what was counted of a file that is begun again.
func (c *countingReader) restart() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.sum.Sent -= c.done
	c.done = 0
}

type countingReader struct {
	r          io.Reader
	p          *progress
	path       string
	done, size int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if n > 0 && c.p.report != nil {
		c.p.mu.Lock()
		defer c.p.mu.Unlock()
		c.done += int64(n)
		c.p.sum.Sent += int64(n)
		told := c.p.sum
		told.Path, told.Done, told.Size = c.path, c.done, c.size
		c.p.report(told)
	}
	return n, err
}

// again takes back what was counted of a file that is begun again.
func (c *countingReader) again() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.sum.Sent -= c.done
	c.done = 0
}
