package api

import (
	"cmp"
	"encoding/binary"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

func (s *Service) datasets(c *gin.Context) error {
	offset, err := integer(c, "offset", 0, 0, offsetMost)
	if err != nil {
		return err
	}
	limit, err := integer(c, "limit", pageDefault, 0, pageMost)
	if err != nil {
		return err
	}
	snapshot, err := s.catalogue.Snapshot(c.Request.Context())
	if err != nil {
		return err
	}
	found := snapshot.searchDatasets(words(c.Query("q")))
	list := DatasetList{Total: len(found), Items: []DatasetSummary{}}
	for _, o := range cut(found, offset, limit) {
		list.Items = append(list.Items, datasetSummary(o))
	}
	return answer(c, http.StatusOK, list)
}

func (s *Snapshot) searchDatasets(query []string) []*Object {
	if len(query) == 0 {
		return s.Datasets
	}
	var hits []hit
	for _, o := range s.Datasets {
		if n := score(query[:min(len(query), maxQueryWords)], o.words); n > 0 {
			hits = append(hits, hit{o, n})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	found := make([]*Object, len(hits))
	for i, h := range hits {
		found[i] = h.Object
	}
	return found
}

func datasetSummary(o *Object) DatasetSummary {
	d := o.Dataset
	sum := DatasetSummary{
		Name: o.Name, Version: o.Version, Digest: o.Entry.Digest, Title: d.Title, Description: d.Description, License: d.License,
		Classes: orEmpty(d.Classes), Splits: map[string]int64{}, Record: d.Record,
	}
	sum.Record.Input.Shape, sum.Record.Target.Shape = orEmpty(d.Record.Input.Shape), orEmpty(d.Record.Target.Shape)
	for _, split := range d.Splits {
		sum.Splits[split.Name] = split.Records
		for _, shard := range split.Shards {
			sum.Size += shard.Size
		}
	}
	if o.sample {
		sum.Sample = "/api/v1/dataset/sheet?ref=" + url.QueryEscape(o.Name+"@"+o.Entry.Digest.String()) + "&split=" + url.QueryEscape(sampleSplit(d))
	}
	return sum
}

// sampleSplit is the split that stands for a dataset.
func sampleSplit(d *schema.Dataset) string {
	if _, ok := d.Split("train"); ok || len(d.Splits) == 0 {
		return "train"
	}
	return d.Splits[0].Name
}

func (s *Service) datasetDetail(c *gin.Context) error {
	ctx := c.Request.Context()
	o, err := s.datasetAt(ctx, c.Query("ref"))
	if err != nil {
		return err
	}
	snapshot, err := s.catalogue.Snapshot(ctx)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, DatasetAnswer{
		Reference: o.reference(), Manifest: o.manifestSummary(), Dataset: o.document, UsedBy: snapshot.usersOf(o.digest),
	})
}

// usersOf lists the closures that name a dataset.
func (s *Snapshot) usersOf(d schema.Digest) []UsedBy {
	const most = 200
	out := []UsedBy{}
	for _, u := range s.users[d] {
		if len(out) == most {
			break
		}
		out = append(out, UsedBy{Name: u.Name, Version: u.Version, Digest: u.Entry.Digest, Title: u.Closure.Title})
	}
	return out
}

// Limits of a table that is shown.
const (
	rowsDefault = 20
	rowsMost    = 200
	columnsMost = 256
	// maxSampled is the largest shard that is fetched to show some of its records.
	maxSampled = 64 << 20
)

// split opens a split of a dataset for a look at its first records.
func (s *Service) split(c *gin.Context, o *stored) (*closure.Records, error) {
	name := c.Query("split")
	if name == "" {
		name = sampleSplit(o.dataset)
	}
	if _, ok := o.dataset.Split(name); !ok {
		return nil, newProblem(http.StatusNotFound, codeNotFound, "/api/v1/dataset names the splits", "%s has no such split", o.name)
	}
	records, err := closure.OpenSplit(c.Request.Context(), o.blobs, o.dataset, name)
	if err == nil {
		records.SetCache(maxSampled)
	}
	return records, err
}

func (s *Service) datasetRows(c *gin.Context) error {
	ctx := c.Request.Context()
	limit, err := integer(c, "limit", rowsDefault, 1, rowsMost)
	if err != nil {
		return err
	}
	o, err := s.datasetAt(ctx, c.Query("ref"))
	if err != nil {
		return err
	}
	in := o.dataset.Record.Input
	if len(in.Shape) != 1 || in.Shape[0] > columnsMost {
		return newProblem(http.StatusNotFound, codeNotATable, "ask /api/v1/dataset/sheet for images",
			"the records of %s have the shape %v; a table's are rows of at most %d values", o.name, in.Shape, columnsMost)
	}
	records, err := s.split(c, o)
	if err != nil {
		return err
	}
	if err := s.reading.acquire(ctx); err != nil {
		return err
	}
	defer s.reading.release()
	table := DatasetRows{Columns: columnsOf(o.dataset), Rows: [][]any{}}
	target := o.dataset.Record.Target
	input, label := make([]byte, in.Bytes()), make([]byte, target.Bytes())
	for i := range uint32(min(int64(limit), records.Len())) {
		if err := records.Read(ctx, []uint32{i}, input, label); err != nil {
			return err
		}
		row := values(in.DType, input)
		if len(o.dataset.Classes) > 0 {
			row = append(row, classText(o.dataset, target, label))
		} else {
			row = append(row, values(target.DType, label)...)
		}
		table.Rows = append(table.Rows, row)
	}
	return answer(c, http.StatusOK, table)
}

// columnsOf names the values of a row: the features, then the label or the targets.
func columnsOf(d *schema.Dataset) []string {
	n := schema.Elements(d.Record.Input.Shape)
	var columns []string
	for i := range n {
		if len(d.Features) == n {
			columns = append(columns, d.Features[i])
		} else {
			columns = append(columns, "feature "+strconv.Itoa(i+1))
		}
	}
	if len(d.Classes) > 0 {
		return append(columns, "class")
	}
	targets := schema.Elements(d.Record.Target.Shape)
	if targets == 1 {
		return append(columns, "target")
	}
	for i := range min(targets, columnsMost) {
		columns = append(columns, "target "+strconv.Itoa(i+1))
	}
	return columns
}

// values reads a field's values, the first columnsMost of them; null is one that JSON has no number for.
func values(dtype string, b []byte) []any {
	size := schema.DTypeSize(dtype)
	var row []any
	for ; len(b) >= size && len(row) < columnsMost; b = b[size:] {
		switch dtype {
		case "f32":
			v := math.Float32frombits(binary.LittleEndian.Uint32(b))
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				row = append(row, nil)
			} else {
				row = append(row, v) // encoded as the shortest number that is this f32
			}
		case "u16":
			row = append(row, binary.LittleEndian.Uint16(b))
		default:
			row = append(row, b[0])
		}
	}
	return row
}

// classText is the label of a record; a number that is no class stays one.
func classText(d *schema.Dataset, target schema.Field, b []byte) any {
	class := int(b[0])
	if target.DType == "u16" {
		class = int(binary.LittleEndian.Uint16(b))
	}
	if class < len(d.Classes) {
		return d.Classes[class]
	}
	return class
}
