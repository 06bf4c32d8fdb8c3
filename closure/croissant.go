package closure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/reprise-ml/reprise/schema"
)

// CroissantMediaType is that of Croissant's JSON-LD.
const CroissantMediaType = "application/ld+json"

// croissantContext is the context that Croissant 1.0 prescribes (https://docs.mlcommons.org/croissant/docs/croissant-spec.html).
const croissantContext = `{"@language":"en","@vocab":"https://schema.org/","citeAs":"cr:citeAs","column":"cr:column",` +
	`"conformsTo":"dct:conformsTo","cr":"http://mlcommons.org/croissant/","data":{"@id":"cr:data","@type":"@json"},` +
	`"dataType":{"@id":"cr:dataType","@type":"@vocab"},"dct":"http://purl.org/dc/terms/","examples":{"@id":"cr:examples","@type":"@json"},` +
	`"extract":"cr:extract","field":"cr:field","fileObject":"cr:fileObject","fileProperty":"cr:fileProperty","fileSet":"cr:fileSet",` +
	`"format":"cr:format","includes":"cr:includes","isLiveDataset":"cr:isLiveDataset","jsonPath":"cr:jsonPath","key":"cr:key","md5":"cr:md5",` +
	`"parentField":"cr:parentField","path":"cr:path","rai":"http://mlcommons.org/croissant/RAI/","recordSet":"cr:recordSet",` +
	`"references":"cr:references","regex":"cr:regex","repeated":"cr:repeated","replace":"cr:replace","sc":"https://schema.org/",` +
	`"separator":"cr:separator","source":"cr:source","subField":"cr:subField","transform":"cr:transform"}`

// croissantSplits are the values that Croissant has for splits of these names.
var croissantSplits = map[string]string{"train": "cr:TrainingSplit", "test": "cr:TestSplit", "validation": "cr:ValidationSplit"}

type croissantDataset struct {
	Context       json.RawMessage   `json:"@context"`
	Type          string            `json:"@type"`
	ID            string            `json:"@id"`
	Name          string            `json:"name"`
	ConformsTo    string            `json:"conformsTo"`
	AlternateName string            `json:"alternateName,omitempty"`
	Description   string            `json:"description"`
	License       string            `json:"license,omitempty"`
	URL           string            `json:"url"`
	Version       string            `json:"version"`
	DatePublished string            `json:"datePublished,omitempty"`
	CiteAs        string            `json:"citeAs,omitempty"`
	Distribution  []croissantFile   `json:"distribution"`
	RecordSet     []croissantRecord `json:"recordSet"`
}

type croissantFile struct {
	Type           string `json:"@type"`
	ID             string `json:"@id"`
	Name           string `json:"name"`
	Description    string `json:"description,omitempty"`
	ContentURL     string `json:"contentUrl"`
	ContentSize    string `json:"contentSize"`
	EncodingFormat string `json:"encodingFormat"`
	SHA256         string `json:"sha256"`
}

type croissantRecord struct {
	Type        string           `json:"@type"`
	ID          string           `json:"@id"`
	Name        string           `json:"name"`
	Description string           `json:"description"`
	DataType    string           `json:"dataType,omitempty"`
	Key         croissantID      `json:"key"`
	Field       []croissantField `json:"field"`
	Data        []map[string]any `json:"data"`
}

type croissantField struct {
	Type        string           `json:"@type"`
	ID          string           `json:"@id"`
	Name        string           `json:"name"`
	Description string           `json:"description"`
	DataType    string           `json:"dataType"`
	References  *croissantSource `json:"references,omitempty"`
}

type croissantSource struct {
	Field croissantID `json:"field"`
}

type croissantID struct {
	ID string `json:"@id"`
}

// Croissant describes a dataset in MLCommons' Croissant 1.0, JSON-LD that dataset searches and loaders read. digest is that of the dataset's
// manifest. base is the address of a server, as https://zoo.example.org; where it is empty, addresses are relative to the root of the store's
// tree, in which blobs lie at blobs/sha256/.
//
// Every shard is a file of the distribution. Croissant has no words for fields at offsets of binary records, so that the layout is told in the
// description, and the record sets are what stands in the document itself: the splits, the classes, and which shard has which records. A
// dataset does not name its makers, so there is no creator.
func Croissant(d *schema.Dataset, digest schema.Digest, base string) ([]byte, error) {
	page, blobs := "blobs/sha256/"+digest.Hex(), "blobs/sha256/"
	if base != "" {
		page, blobs = base+"/d/"+d.Name+"@"+digest.String(), base+"/"+blobs
	}
	c := croissantDataset{
		Context: json.RawMessage(croissantContext), Type: "sc:Dataset", ID: page, Name: orElse(d.Title, d.Name), ConformsTo: "http://mlcommons.org/croissant/1.0",
		AlternateName: d.Name, Description: croissantDescription(d), URL: page, Version: d.Version, CiteAs: d.Citation, License: d.License,
		Distribution: []croissantFile{}, RecordSet: []croissantRecord{},
	}
	if spdxIdentifier.MatchString(d.License) {
		c.License = "https://spdx.org/licenses/" + d.License
	}
	if len(d.Created) >= len("2006-01-02") {
		c.DatePublished = d.Created[:len("2006-01-02")]
	}
	splits := newCroissantRecord("splits", "The splits of the dataset.", "name", "The name of the split.")
	splits.DataType = "cr:Split"
	splits.field("url", "sc:URL", "What the split is for.")
	shards := newCroissantRecord("shards", "The files that hold the records, in order.", "path", "The path of the file, which is its identifier in the distribution.")
	shards.field("split", "sc:Text", "The split that it belongs to.").References = &croissantSource{croissantID{"splits/name"}}
	shards.field("records", "sc:Integer", "How many records it has.")
	for _, s := range d.Splits {
		row := map[string]any{"splits/name": s.Name}
		if meaning := croissantSplits[s.Name]; meaning != "" {
			row["splits/url"] = meaning
		}
		splits.Data = append(splits.Data, row)
		for _, shard := range s.Shards {
			c.Distribution = append(c.Distribution, croissantFile{
				Type: "cr:FileObject", ID: shard.Path, Name: shard.Path, Description: fmt.Sprintf("%d records of the split %s.", shard.Records, s.Name),
				ContentURL: blobs + shard.Digest.Hex(), ContentSize: strconv.FormatInt(shard.Size, 10) + " B", EncodingFormat: schema.MediaTypeRecords,
				SHA256: shard.Digest.Hex(),
			})
			shards.Data = append(shards.Data, map[string]any{"shards/path": shard.Path, "shards/split": s.Name, "shards/records": shard.Records})
		}
	}
	c.RecordSet = append(c.RecordSet, splits, shards)
	if len(d.Classes) > 0 {
		classes := newCroissantRecord("classes", "The classes, by the number that records have as their target.", "index", "The number.")
		classes.Field[0].DataType = "sc:Integer"
		classes.field("label", "sc:Text", "What it means.")
		for i, label := range d.Classes {
			classes.Data = append(classes.Data, map[string]any{"classes/index": i, "classes/label": label})
		}
		c.RecordSet = append(c.RecordSet, classes)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(c)
	return b.Bytes(), err
}

func newCroissantRecord(id, description, key, keyDescription string) croissantRecord {
	r := croissantRecord{Type: "cr:RecordSet", ID: id, Name: id, Description: description, Key: croissantID{id + "/" + key}, Data: []map[string]any{}}
	r.field(key, "sc:Text", keyDescription)
	return r
}

func (r *croissantRecord) field(name, dataType, description string) *croissantField {
	r.Field = append(r.Field, croissantField{Type: "cr:Field", ID: r.ID + "/" + name, Name: name, Description: description, DataType: dataType})
	return &r.Field[len(r.Field)-1]
}

func croissantDescription(d *schema.Dataset) string {
	field := func(name string, f schema.Field) string {
		return fmt.Sprintf("%s of %s, shape %v, at byte %d", name, f.DType, f.Shape, f.Offset)
	}
	layout := fmt.Sprintf("Files are records of %d bytes, one after the other, little endian: %s; %s.",
		d.Record.Size, field("the input", d.Record.Input), field("the target", d.Record.Target))
	if d.Description == "" {
		return layout
	}
	return d.Description + "\n\n" + layout
}
