package runner

import (
	"errors"
	"io"

	"github.com/reprise-ml/reprise/schema"
)

// journal writes lines to the caller's writer and to the work folder's file.
type journal struct {
	out  io.Writer // may be nil
	file file      // may be nil
	size int64
}

type file interface {
	io.Writer
	Flush() error
}

// write appends a line to both.
func (j *journal) write(line schema.JournalLine) error {
	b, err := EncodeLine(line)
	if err != nil {
		return err
	}
	if j.file != nil {
		if _, err := j.file.Write(b); err != nil {
			return err
		}
	}
	return j.emit(b)
}

// repeat appends a line that the file already holds.
func (j *journal) repeat(line schema.JournalLine) error {
	b, err := EncodeLine(line)
	if err != nil {
		return err
	}
	return j.emit(b)
}

func (j *journal) emit(b []byte) error {
	j.size += int64(len(b))
	if j.out == nil {
		return nil
	}
	_, err := j.out.Write(b)
	return err
}

func (j *journal) flush() error {
	if j.file == nil {
		return nil
	}
	return j.file.Flush()
}

// EncodeLine writes a line as the journal holds it.
func EncodeLine(line schema.JournalLine) ([]byte, error) {
	b, err := schema.Canonical(line)
	return append(b, '\n'), err
}

// readJournal reads lines one by one, strictly.
func readJournal(r io.Reader, f func(schema.JournalLine) error) error {
	for lines := schema.NewJournalReader(schema.PathJournal, r); ; {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(*line); err != nil {
			return err
		}
	}
}

const (
	eventHyperparameter = "hyperparameter"
	eventEngine         = "engine"
	eventParameters     = "parameters"
)
