package catalogue

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// maxListed is the largest document that is listed. Larger ones can still be shown by themselves.
const maxListed = 1 << 20

// description is what the index says of an object.
type description struct {
	document                                              []byte
	size, abi, created, correct, total                    int64
	title, keywords, task, license, architecture, details string
	datasets                                              []string
	links                                                 []link
}

type link struct {
	kind   string
	digest schema.Digest
}

// describe reads the documents of an object. They are checked against their digests alone: checking them against their schemas
// costs ten times as much, and whoever shows more than texts and numbers does that.
func describe(ctx context.Context, blobs closure.Blobs, e zoo.Entry) (description, error) {
	text, err := closure.ReadBlob(ctx, blobs, "manifest", e.Digest, e.Size, closure.MaxManifest)
	if err != nil {
		return description{}, err
	}
	links, err := zoo.ReadLinks("manifest", text)
	if err != nil {
		return description{}, err
	}
	if links.ArtifactType != e.ArtifactType || len(links.Blobs) == 0 || links.Blobs[0].MediaType != e.ArtifactType {
		return description{}, schema.Invalidf("manifest", "artifactType", "%q is not what the entry says, %q", links.ArtifactType, e.ArtifactType)
	}
	var d description
	for _, b := range links.Blobs {
		d.size += b.Size
	}
	config := links.Blobs[0]
	if d.document, err = closure.ReadBlob(ctx, blobs, config.Path(), config.Digest, config.Size, maxListed); err != nil {
		return description{}, err
	}
	if e.ArtifactType == schema.MediaTypeDataset {
		return d, d.dataset()
	}
	return d, d.closure()
}

func (d *description) closure() error {
	c := &schema.Closure{}
	if err := json.Unmarshal(d.document, c); err != nil {
		return schema.Invalidf(schema.PathClosure, "", "%v", err)
	}
	d.title, d.details, d.task, d.license = c.Title, c.Description, c.Task, c.License
	d.keywords, d.architecture = strings.Join(c.Keywords, " "), architecture(c.Model.Layers)
	for _, a := range c.Authors {
		d.keywords += " " + a.Name
	}
	d.abi, d.created = int64(c.Engine.ABI), seconds(c.Created)
	d.correct, d.total = accuracy(c)
	for _, u := range c.Datasets {
		if !slices.Contains(d.datasets, u.Name) {
			d.datasets = append(d.datasets, u.Name)
		}
		d.link(linkDataset, u.Digest)
	}
	for _, p := range c.Parents {
		d.link(linkParent, p.Digest)
	}
	return nil
}

func (d *description) dataset() error {
	s := &schema.Dataset{}
	if err := json.Unmarshal(d.document, s); err != nil {
		return schema.Invalidf(closure.PathDataset, "", "%v", err)
	}
	d.title, d.details, d.license = s.Title, s.Description, s.License
	d.keywords, d.created = strings.Join(s.Classes, " "), seconds(s.Created)
	return nil
}

func (d *description) link(kind string, to schema.Digest) {
	l := link{kind, to}
	if !to.IsZero() && !slices.Contains(d.links, l) {
		d.links = append(d.links, l)
	}
}

func seconds(date string) int64 {
	t, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return 0
	}
	return t.Unix()
}

// Architectures.
const (
	Convolutional = "convolutional"
	Dense         = "dense"
	Linear        = "linear"
	OtherNetwork  = "other"
)

// architecture sorts networks by what they are made of: convolutions, several dense layers, one, or something else.
func architecture(layers []schema.Layer) string {
	dense, other := 0, false
	for _, l := range layers {
		switch {
		case strings.HasPrefix(l.Kind, "conv"):
			return Convolutional
		case l.Kind == "dense":
			dense++
		case l.Kind != "flatten" && l.Kind != "dropout" && l.Kind != "activation":
			other = true
		}
	}
	switch {
	case other || dense == 0:
		return OtherNetwork
	case dense == 1:
		return Linear
	}
	return Dense
}

// accuracy is what a closure claims for its last step, on its test data where there are some; a total of 0 is no claim.
func accuracy(c *schema.Closure) (correct, total int64) {
	tests := func(r schema.Result) bool {
		return slices.ContainsFunc(c.Datasets, func(d schema.ClosureDataset) bool {
			return d.Role == schema.RoleTest && d.Digest == r.Dataset && d.Split == r.Split
		})
	}
	var best *schema.Result
	for i, r := range c.Results {
		if r.Metric != schema.MetricAccuracy || r.Correct == nil {
			continue
		}
		if best == nil || tests(r) && !tests(*best) || tests(r) == tests(*best) && r.Step > best.Step {
			best = &c.Results[i]
		}
	}
	if best == nil {
		return 0, 0
	}
	return *best.Correct, best.Total
}
