package schema

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

// ReadJournalLine reads one line of a journal.
func ReadJournalLine(name string, data []byte) (*JournalLine, error) {
	s, err := parseJSON(name, data, maxJournalLine)
	if err != nil {
		return nil, err
	}
	return read(s, KindJournalLine, checkJournalLine)
}

// checkJournalLine checks what the schema cannot say.
func checkJournalLine(s *source, l *JournalLine) {
	if l.Type == LineHeader && l.Step != 0 {
		s.report("step", "", "%d is not 0, the step of a header", l.Step)
	}
	end := int64(-1)
	for i, r := range l.Microbatches {
		path := item("microbatches", i)
		if r[0] >= r[1] {
			s.report(path, "", "[%d, %d) is an empty range", r[0], r[1])
		}
		if r[0] <= end {
			s.report(path, "merge ranges that touch", "[%d, %d) does not come after the range before it", r[0], r[1])
		}
		end = r[1]
	}
	if l.Correct != nil && l.Examples != nil && *l.Correct > *l.Examples {
		s.report("correct", "", "%d is more than the examples, %d", *l.Correct, *l.Examples)
	}
}

// ReadJournal reads a whole journal. See JournalReader.
func ReadJournal(name string, r io.Reader) ([]JournalLine, error) {
	var lines []JournalLine
	for reader := NewJournalReader(name, r); ; {
		line, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return lines, nil
		case err != nil:
			return nil, err
		}
		lines = append(lines, *line)
	}
}

// JournalReader reads a journal line by line and checks their order: a header, then steps one after another, events
// before the step that they change, evaluations and checkpoints after the step that they look at.
type JournalReader struct {
	name   string
	reader *bufio.Reader
	number int
	next   int64 // the step that comes next
	offset int64 // bytes read
}

// NewJournalReader reads from r; name is what an *Invalid calls the journal.
func NewJournalReader(name string, r io.Reader) *JournalReader {
	return &JournalReader{name: name, reader: bufio.NewReader(r), next: math.MinInt64}
}

// Offset is the number of bytes read so far: those of whole lines.
func (j *JournalReader) Offset() int64 { return j.offset }

// Next returns the next line, or io.EOF after the last one. A journal without a header, and a last line without its
// line feed (as a crash leaves it), are *Invalid.
func (j *JournalReader) Next() (*JournalLine, error) {
	text, err := j.read()
	if err != nil {
		if errors.Is(err, io.EOF) && j.number == 0 {
			return nil, Invalidf(j.name, "", "is empty: a journal begins with a header")
		}
		return nil, err
	}
	j.number++
	j.offset += int64(len(text))
	where := fmt.Sprintf("%s: line %d", j.name, j.number)
	line, err := ReadJournalLine(where, bytes.TrimSuffix(text, []byte("\n")))
	if err != nil {
		return nil, err
	}
	if err := j.order(where, line); err != nil {
		return nil, err
	}
	return line, nil
}

// read returns a line with its line feed, within the limit.
func (j *JournalReader) read() ([]byte, error) {
	var line []byte
	for {
		part, err := j.reader.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxJournalLine:
			return nil, Invalidf(j.name, "", "line %d has more than %d bytes", j.number+1, maxJournalLine)
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, Invalidf(j.name, "", "line %d is cut short: it does not end in a line feed", j.number+1)
		default:
			return nil, err
		}
	}
}

// order checks a line against those before it. The first step of a journal may be any: one that was cut goes on.
func (j *JournalReader) order(where string, l *JournalLine) error {
	began := j.next != math.MinInt64
	switch {
	case l.Type == LineHeader && j.number > 1:
		return Invalidf(where, "type", "is a second header")
	case l.Type != LineHeader && j.number == 1:
		return Invalidf(where, "type", "is %q; a journal begins with a header", l.Type)
	case l.Type == LineHeader || !began && l.Type != LineStep:
		return nil
	case l.Type == LineStep:
		if began && l.Step != j.next {
			return Invalidf(where, "step", "is %d; step %d comes next", l.Step, j.next)
		}
		j.next = l.Step + 1
	case l.Type == LineEvent && l.Step != j.next:
		return Invalidf(where, "step", "is %d; an event here takes effect before step %d", l.Step, j.next)
	case l.Type != LineEvent && l.Step != j.next-1:
		return Invalidf(where, "step", "is %d; what follows step %d looks at that step", l.Step, j.next-1)
	}
	return nil
}
