package closure

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/reprise-ml/reprise/schema"
)

const (
	maxImageProblems = 10      // are collected before an import gives up
	largePicture     = 1 << 22 // pixels; of those, one is decoded at a time
)

// imageJob is an image on its way through the decoders.
type imageJob struct {
	imageFile
	header *pictureHeader
	done   chan struct{} // closed when the following are set
	rgb    []byte
	digest schema.Digest
	err    error
}

// read reads the images of a folder or archive. One goroutine reads files, several decode, and this one collects in the
// order of the files, so that the result, and the error, are the same whatever the number of processors.
func (im *imageImport) read(ctx context.Context, split, path string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	decoders := runtime.GOMAXPROCS(0)
	jobs, queue := make(chan *imageJob), make(chan *imageJob, 2*decoders)
	var running sync.WaitGroup
	for range decoders {
		running.Go(func() {
			for job := range jobs {
				im.decode(job)
				close(job.done)
			}
		})
	}
	files := imageFiles{options: im.options, skipped: im.skipped}
	files.visit = func(f imageFile) error {
		job := &imageJob{imageFile: f, done: make(chan struct{})}
		if job.header, job.err = readPictureHeader(f.data); job.err == nil {
			if err := im.fit(job); err != nil {
				return files.refuse(f.path, "%v", err)
			}
		}
		for _, to := range []chan *imageJob{jobs, queue} {
			select {
			case to <- job:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	var walkErr error
	running.Go(func() {
		defer close(queue)
		defer close(jobs)
		walkErr = files.walk(ctx, path)
	})
	c := collector{im: im, stop: cancel}
	for job := range queue {
		<-job.done
		c.collect(job)
	}
	running.Wait()
	switch {
	case len(c.problems) > 0:
		return &schema.Invalid{Document: files.name, Problems: c.problems}
	case c.err != nil:
		return c.err
	case walkErr != nil:
		return walkErr
	}
	im.skipped = files.skipped
	if err := im.place(split, &files, c.paths, c.digests); err != nil {
		return err
	}
	if im.options.Progress != nil {
		im.options.Progress(Progress{File: files.name, Read: files.size, Size: files.size, Records: int64(im.pixels.n), Skipped: im.skipped})
	}
	return nil
}

// collector takes decoded images in their order.
type collector struct {
	im       *imageImport
	stop     func()
	problems []schema.Problem
	err      error
	paths    []string
	digests  []schema.Digest
}

func (c *collector) collect(job *imageJob) {
	im := c.im
	switch {
	case c.err != nil || len(c.problems) >= maxImageProblems:
		return // what was on its way when it stopped
	case job.err != nil:
		c.problems = append(c.problems, schema.Problem{Path: printable(job.path), Message: job.err.Error()})
		if len(c.problems) == maxImageProblems {
			c.stop()
		}
		return
	case len(c.problems) > 0:
		return // it is only looked for more of them
	}
	if im.pixels == nil {
		im.pixels = newArena(len(job.rgb))
	}
	if limit := orDefault(im.options.Memory, DefaultMemory); int64(im.pixels.n+1)*int64(len(job.rgb)) > limit {
		c.err = schema.Invalidf(im.options.Name, "", "the images take more than %d bytes, which is all that is held in memory", limit)
		c.stop()
		return
	}
	im.pixels.add(job.rgb)
	im.colour = im.colour || !isGrey(job.rgb)
	c.paths = append(c.paths, job.path)
	c.digests = append(c.digests, job.digest)
	if im.options.Progress != nil {
		p := job.progress
		p.Records = int64(im.pixels.n)
		im.options.Progress(p)
	}
}

// fit decides the size of the images, by options or the first of them, and checks that of a further one.
func (im *imageImport) fit(job *imageJob) error {
	h := job.header
	if im.height == 0 {
		im.first, im.height, im.width = job.path, h.height, h.width
		if im.options.Resize != [2]int{} {
			im.height, im.width = im.options.Resize[0], im.options.Resize[1]
		}
	}
	if im.options.Resize != [2]int{} {
		return nil
	}
	if h.height != im.height || h.width != im.width {
		return fmt.Errorf("it has %d×%d pixels (height×width), and %s has %d×%d: give a size for all of them to be resized to",
			h.height, h.width, printable(im.first), im.height, im.width)
	}
	if h.height > maxElements/3/h.width {
		return fmt.Errorf("%d×%d pixels are too many for a record: give a size for all images to be resized to", h.height, h.width)
	}
	return nil
}

// decode makes pixels of a file, in one of many goroutines.
func (im *imageImport) decode(job *imageJob) {
	if job.err != nil {
		return
	}
	job.digest = schema.DigestOf(job.data)
	if job.header.height*job.header.width > largePicture {
		im.large.Lock()
		defer im.large.Unlock()
	}
	p, err := job.header.decode(job.data)
	if err != nil {
		job.err = err
		return
	}
	job.rgb, job.data = p.Resize(im.height, im.width).RGB, nil
}
