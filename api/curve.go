package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Sizes of curves.
const (
	curvePreview  = 40   // points on a card
	curveDefault  = 400  // points on a page
	curveMost     = 2000 // points that can be asked for
	maxJournal    = 256 << 20
	maxSteps      = 1 << 22
	maxEvaluation = 2000 // evaluations that are shown; more are thinned out
)

// training is what a curve shows of a journal. Numbers are as the journal has them; only drawing divides.
type training struct {
	steps       []trainedStep
	evaluations []CurveEvaluation
}

type trainedStep struct{ step, examples, loss, correct int64 } // loss in 2⁻²⁰; absent numbers are absent

// absent is a number that a line does not have. A loss can be any integer that a document holds, so it is none of those.
const absent = -1 << 62

// readTraining reads a journal to its end, which verifies it. Lines are looked through for the few numbers that are wanted:
// journals are long, and canonical JSON has one spelling. What a damaged line says matters only to the picture.
func readTraining(ctx context.Context, blobs closure.Blobs, c *schema.Closure) (*training, error) {
	f, ok := closure.FindFile(c, schema.PathJournal)
	if !ok {
		return &training{}, nil
	}
	if f.Size > maxJournal {
		return nil, newProblem(http.StatusUnprocessableEntity, codeTooLarge, "pull the closure to look at it", "the journal has %d bytes; at most %d are drawn", f.Size, maxJournal)
	}
	r, err := closure.OpenBlob(ctx, blobs, f.Path, f.Digest, f.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	t := &training{}
	lines := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			// Such a line lists thousands of ranges; its numbers come first, in the order of keys.
		case errors.Is(err, io.EOF):
			return t, nil
		case err != nil:
			return nil, err
		}
		t.add(line)
		if len(t.steps) > maxSteps {
			return nil, newProblem(http.StatusUnprocessableEntity, codeTooLarge, "pull the closure to look at it", "the journal has more than %d steps", maxSteps)
		}
	}
}

func (t *training) add(line []byte) {
	switch {
	case bytes.Contains(line, []byte(`"type":"step"`)):
		t.steps = append(t.steps, trainedStep{
			step: numberIn(line, `"step":`), examples: numberIn(line, `"examples":`),
			loss: numberIn(line, `"loss":`), correct: numberIn(line, `"correct":`),
		})
	case bytes.Contains(line, []byte(`"type":"evaluation"`)):
		var l schema.JournalLine
		if err := jsonLine(line, &l); err == nil && l.Correct != nil && l.Examples != nil {
			t.evaluations = append(t.evaluations, CurveEvaluation{Step: l.Step, Split: l.Split, Correct: *l.Correct, Total: *l.Examples})
		}
	}
}

// numberIn finds the integer after a key.
func numberIn(line []byte, key string) int64 {
	_, rest, ok := bytes.Cut(line, []byte(key))
	if !ok {
		return absent
	}
	end := 0
	for end < len(rest) && (rest[end] == '-' || rest[end] >= '0' && rest[end] <= '9') {
		end++
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	if err != nil {
		return absent
	}
	return n
}

// points are at most n, each the mean over as many consecutive steps.
func (t *training) points(n int) []CurvePoint {
	points := []CurvePoint{}
	for i := range min(n, len(t.steps)) {
		// Equal parts of the run, whose sizes differ by one at most.
		from, to := i*len(t.steps)/min(n, len(t.steps)), (i+1)*len(t.steps)/min(n, len(t.steps))
		var loss, correct float64
		var losses, counted float64
		p := CurvePoint{Step: t.steps[to-1].step}
		for _, s := range t.steps[from:to] {
			if s.examples <= 0 {
				continue // the step that only calibrates
			}
			if s.loss != absent {
				loss += float64(s.loss)
				losses += float64(s.examples)
			}
			if s.correct != absent {
				correct += float64(s.correct)
				counted += float64(s.examples)
			}
		}
		if losses > 0 {
			p.Loss = new(loss / (1 << 20) / losses)
		}
		if counted > 0 {
			p.Accuracy = new(correct / counted)
		}
		if p.Loss != nil || p.Accuracy != nil {
			points = append(points, p)
		}
	}
	return points
}

func (s *Service) curve(c *gin.Context) error {
	n, err := integer(c, "points", curveDefault, 2, curveMost)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	o, err := s.closureAt(ctx, c.Query("ref"))
	if err != nil {
		return err
	}
	t, err := s.trainingOf(ctx, o)
	if err != nil {
		return err
	}
	evaluations := orEmpty(t.evaluations)
	if every := (len(evaluations) + maxEvaluation - 1) / maxEvaluation; every > 1 {
		var some []CurveEvaluation
		for i := len(evaluations) - 1; i >= 0; i -= every {
			some = append(some, evaluations[i])
		}
		evaluations = reversed(some)
	}
	return answer(c, http.StatusOK, Curve{Points: t.points(n), Evaluations: evaluations})
}

// trainingOf reads a journal once while it is remembered.
func (s *Service) trainingOf(ctx context.Context, o *stored) (*training, error) {
	if t, ok := s.trainings.get(o.digest); ok {
		return t, nil
	}
	if err := s.reading.acquire(ctx); err != nil {
		return nil, err
	}
	defer s.reading.release()
	t, err := readTraining(ctx, o.blobs, o.closure)
	if err != nil {
		return nil, err
	}
	s.trainings.put(o.digest, t, int64(32*len(t.steps)+48*len(t.evaluations)+64))
	return t, nil
}

// preview is the curve of a card. A journal that cannot be read has none.
func (s *Service) preview(ctx context.Context, o *listed) []float64 {
	if curve, ok := s.previews.get(o.Entry.Digest); ok {
		return curve
	}
	curve := []float64{}
	if f, ok := closure.FindFile(o.closure, schema.PathJournal); ok && f.Size <= maxPreviewed {
		t, err := readTraining(ctx, s.blobsOf(o.Name), o.closure)
		switch {
		case ctx.Err() != nil:
			return curve
		case err != nil:
			s.log.Warn("no curve", "name", o.Name, "error", err)
		default:
			for _, p := range t.points(curvePreview) {
				if p.Loss != nil {
					curve = append(curve, rounded(*p.Loss))
				}
			}
		}
	}
	s.previews.put(o.Entry.Digest, curve, 1)
	return curve
}

// rounded has four digits, which is all that a card can draw.
func rounded(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		return v // never: what was written can be read
	}
	return r
}

// maxPreviewed is the largest journal that is read for a card.
const maxPreviewed = 32 << 20
