package zoo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/closure"
)

// parcel is a blob on its way to a store.
type parcel struct {
	closure.Descriptor
	label string        // what progress and errors call it
	from  closure.Blobs // where it is opened, if it is needed
	to    Blobs
	scope string // of to: parcels of one scope and digest are one blob
}

// Sent is what was sent, and what was there already.
type Sent struct {
	Blobs, Bytes               int64
	PresentBlobs, PresentBytes int64
}

// send puts those of the parcels, each once, that are not there, n at a time. What is there counts as used. When it has taken
// so long that these uses may be forgotten, it looks again: a collection beside it may have taken what was counted on.
func send(ctx context.Context, parcels []parcel, n int, report func(Progress)) (Sent, error) {
	parcels = distinctParcels(parcels)
	var sum Sent
	for first := true; ; first = false {
		began := time.Now()
		absent, err := absentParcels(ctx, parcels, n)
		if err != nil {
			return Sent{}, err
		}
		if first {
			sum.PresentBlobs, sum.PresentBytes = sizes(parcels)
			blobs, bytes := sizes(absent)
			sum.PresentBlobs -= blobs
			sum.PresentBytes -= bytes
		}
		if first || len(absent) > 0 {
			if err := sendAll(ctx, absent, n, report); err != nil {
				return Sent{}, err
			}
		}
		blobs, bytes := sizes(absent)
		sum.Blobs += blobs
		sum.Bytes += bytes
		if time.Since(began) < Fresh/2 {
			return sum, nil
		}
	}
}

func sizes(parcels []parcel) (blobs, bytes int64) {
	for _, p := range parcels {
		blobs++
		bytes += p.Size
	}
	return blobs, bytes
}

func sendAll(ctx context.Context, parcels []parcel, n int, report func(Progress)) error {
	_, total := sizes(parcels)
	counted := newProgress(report, total)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(jobs(n))
	for _, p := range parcels {
		if inner.Err() != nil {
			break // the group has the reason
		}
		group.Go(func() error { return p.send(inner, counted) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// tries bounds how often a blob is begun again whose unfinished upload the place has lost.
const tries = 5

// send puts the blob, from its first byte again where the place asks for that.
func (p parcel) send(ctx context.Context, counted *progress) error {
	for try := 1; ; try++ {
		r, err := closure.OpenBlob(ctx, p.from, p.label, p.Digest, p.Size)
		if err != nil {
			return err
		}
		file := counted.file(p.label, p.Size, r)
		err = p.to.Put(ctx, p.Digest, p.Size, file)
		r.Close()
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrInterrupted) || try == tries {
			return fmt.Errorf("%s: %w", p.label, err)
		}
		file.again()
	}
}

// absentParcels lists, in order, those that are not there or not of their size.
func absentParcels(ctx context.Context, parcels []parcel, n int) ([]parcel, error) {
	absent := make([]bool, len(parcels))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs(n))
	for i, p := range parcels {
		group.Go(func() error {
			size, err := use(ctx, p.to, p.Digest)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			absent[i] = err != nil || size != p.Size
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var list []parcel
	for i, p := range parcels {
		if absent[i] {
			list = append(list, p)
		}
	}
	return list, nil
}

func distinctParcels(parcels []parcel) []parcel {
	seen := map[string]bool{}
	var once []parcel
	for _, p := range parcels {
		key := p.scope + "@" + p.Digest.Hex()
		if !seen[key] {
			seen[key] = true
			once = append(once, p)
		}
	}
	return once
}

// scopeOf is the same for names whose blobs are kept together.
func scopeOf(s Store, name string) string {
	if _, ok := s.(Scoped); ok {
		return name
	}
	return ""
}

func jobs(n int) int {
	if n <= 0 {
		return defaultJobs
	}
	return n
}
