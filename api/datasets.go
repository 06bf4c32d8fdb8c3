package api

import (
	"context"
	"encoding/binary"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/catalogue"
)

func (s *Service) datasets(c *gin.Context) error {
	offset, limit, err := part(c)
	if err != nil {
		return err
	}
	list, err := s.findDatasets(c.Request.Context(), catalogue.Query{Text: c.Query("q"), Offset: offset, Limit: limit})
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, list)
}

// findDatasets lists the datasets that a query asks for, by name unless words are searched for.
func (s *Service) findDatasets(ctx context.Context, q catalogue.Query) (DatasetList, error) {
	index, err := s.catalogue.Index(ctx)
	if err != nil {
		return DatasetList{}, err
	}
	q.Kind = catalogue.KindDataset
	if strings.TrimSpace(q.Text) == "" {
		q.Sort = catalogue.SortName
	}
	found, err := index.Search(ctx, q)
	list := DatasetList{Total: found.Total, Items: []DatasetSummary{}, Unread: index.Unread()}
	for _, i := range found.Items {
		list.Items = append(list.Items, s.datasetSummary(i))
	}
	return list, err
}

// datasetSummary says in short what a dataset of the catalogue is.
func (s *Service) datasetSummary(i catalogue.Item) DatasetSummary {
	o := s.listed(i)
	sum := summariseDataset(o.dataset, Reference{i.Name, i.Version, i.Entry.Digest})
	sum.Problem, sum.Withdrawn = o.problem, withdrawalOf(i)
	return sum
}

func summariseDataset(d *schema.Dataset, at Reference) DatasetSummary {
	sum := DatasetSummary{
		Name: at.Name, Version: at.Version, Digest: at.Digest, Title: d.Title, Description: d.Description, License: d.License,
		Classes: orEmpty(d.Classes), Splits: map[string]int64{}, Record: d.Record,
	}
	sum.Record.Input.Shape, sum.Record.Target.Shape = orEmpty(d.Record.Input.Shape), orEmpty(d.Record.Target.Shape)
	for _, split := range d.Splits {
		sum.Splits[split.Name] = split.Records
		for _, shard := range split.Shards {
			sum.Size += shard.Size
		}
	}
	if isImages(d.Record.Input) {
		sum.Sample = "/api/v1/dataset/sheet?ref=" + url.QueryEscape(at.Name+"@"+at.Digest.String()) + "&split=" + url.QueryEscape(sampleSplit(d))
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
	index, err := s.catalogue.Index(ctx)
	if err != nil {
		return err
	}
	used, err := s.usersOf(ctx, index, o.digest)
	if err != nil {
		return err
	}
	withdrawn, err := s.withdrawn(ctx, o)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, DatasetAnswer{
		Reference: o.reference(), Manifest: o.manifestSummary(), Dataset: o.document, UsedBy: used, Withdrawn: withdrawn,
	})
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
