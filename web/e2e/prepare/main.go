// Command prepare fills a store with the closures that the browser tests of the site need: honest ones of an image and a
// table classifier, two of engines that are declared foreign, and three that must not pass: a changed claim, a cheating
// engine, a damaged shard.
//
//	go run ./web/e2e/prepare REPRISE STORE WORK ENGINES
//
// REPRISE is the built command; the files that closures are made of go to the folder WORK; ENGINES holds those of make engines.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: prepare REPRISE STORE WORK ENGINES")
		os.Exit(2)
	}
	p := preparation{command: os.Args[1], store: os.Args[2], work: os.Args[3], engines: os.Args[4]}
	if err := p.run(); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}

type preparation struct{ command, store, work, engines string }

func (p preparation) run() error {
	for _, step := range []func() error{p.glyphs, p.table, p.kmeans, p.lda, p.changed, p.cheat, p.damaged} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (p preparation) path(name string) string { return filepath.Join(p.work, name) }

// reprise runs the command on the store.
func (p preparation) reprise(args ...string) error {
	c := exec.Command(p.command, append([]string{"--store", p.store, "--json", "--quiet"}, args...)...)
	var errors bytes.Buffer
	c.Stderr = &errors
	if out, err := c.Output(); err != nil {
		return fmt.Errorf("reprise %s: %w\n%s%s", strings.Join(args, " "), err, out, errors.String())
	}
	return nil
}

// publish trains a specification and publishes what change makes of its closure.json.
func (p preparation) publish(name string, specification []byte, change func(closure map[string]any)) error {
	if err := os.WriteFile(p.path(name+".yaml"), specification, 0o666); err != nil {
		return err
	}
	dir := p.path(name)
	if err := p.reprise("train", p.path(name+".yaml"), "-o", dir); err != nil {
		return err
	}
	if change != nil {
		if err := edit(filepath.Join(dir, schema.PathClosure), change); err != nil {
			return err
		}
	}
	return p.reprise("publish", dir)
}

func edit(path string, change func(map[string]any)) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var closure map[string]any
	if err := json.Unmarshal(b, &closure); err != nil {
		return err
	}
	change(closure)
	if b, err = json.Marshal(closure); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o666)
}

const (
	trainRecords = 1200
	testRecords  = 300
)

func (p preparation) dataset(name string, seed int64, classes []string) error {
	dir := p.path(name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := fixtures.WriteIDXClasses(dir, seed, trainRecords, testRecords, len(classes)); err != nil {
		return err
	}
	return p.reprise("dataset", "import", "idx", dir, "--name", name+":1.0.0", "--classes", strings.Join(classes, ","), "--title", "Drawn letters")
}

var nameLine = regexp.MustCompile(`(?m)^name: .*$`)

// named is a specification of the fixtures on other names.
func named(specification, name, dataset string) []byte {
	s := nameLine.ReplaceAllString(string(fixtures.Specification(specification)), "name: "+name)
	return []byte(strings.ReplaceAll(s, "glyphs:1.0.0", dataset+":1.0.0"))
}

func (p preparation) glyphs() error {
	classes := fixtures.GlyphClasses()
	if err := p.dataset("glyphs", 1, classes); err != nil {
		return err
	}
	// For sessions that begin without the last class.
	if err := p.dataset("nine-glyphs", 1, classes[:len(classes)-1]); err != nil {
		return err
	}
	return p.publish("glyphs-cnn", named("mnist-cnn", "glyphs-cnn", "glyphs"), nil)
}

func (p preparation) table() error {
	var csv bytes.Buffer
	if err := fixtures.WriteTable(&csv, 1, trainRecords); err != nil {
		return err
	}
	if err := os.WriteFile(p.path("table.csv"), csv.Bytes(), 0o666); err != nil {
		return err
	}
	err := p.reprise("dataset", "import", "csv", p.path("table.csv"), "--name", "table:1.0.0", "--header", "--test-fraction", "0.2")
	if err != nil {
		return err
	}
	return p.publish("table", fixtures.Specification("table"), nil)
}

func (p preparation) kmeans() error { return p.foreign("kmeans", "glyphs") }

func (p preparation) lda() error {
	var csv bytes.Buffer
	if err := fixtures.WriteDocuments(&csv, 1, trainRecords); err != nil {
		return err
	}
	if err := os.WriteFile(p.path("documents.csv"), csv.Bytes(), 0o666); err != nil {
		return err
	}
	err := p.reprise("dataset", "import", "csv", p.path("documents.csv"), "--name", "documents:1.0.0", "--header", "--test-fraction", "0.2")
	if err != nil {
		return err
	}
	return p.foreign("lda", "documents")
}

// foreign publishes a closure whose engine another compiler made.
func (p preparation) foreign(name, dataset string) error {
	engine, err := os.ReadFile(filepath.Join(p.engines, name+".wasm"))
	if err != nil {
		return fmt.Errorf("make engines builds it: %w", err)
	}
	if err := os.WriteFile(p.path(name+".wasm"), engine, 0o666); err != nil {
		return err
	}
	return p.publish(name, named(name, name, dataset), nil)
}

func (p preparation) changed() error {
	return p.publish("changed-claim", named("mnist-cnn", "changed-claim", "glyphs"), func(c map[string]any) {
		c["title"] = "A network whose claim was changed"
		claim := firstResult(c)
		claim["correct"] = claim["correct"].(float64) + 1
	})
}

func firstResult(closure map[string]any) map[string]any {
	return closure["results"].([]any)[0].(map[string]any)
}

const cheatSpecification = `name: cheat
version: 1.0.0
title: An engine that claims everything and reads nothing
engine: cheat.wasm
model:
  input: {shape: [28, 28, 1], dtype: u8, normalize: {scale: 0.00392156862745098}}
  layers: [{flatten: {}}, {dense: {units: 10}}]
  loss: softmax-cross-entropy
algorithm: {optimizer: {sgd: {learningRate: 0.1}}, schedule: {constant: {}}, initializer: he-normal, microbatchSize: 8, batchSize: 32, steps: 12, seed: 42}
datasets:
  train: {ref: "glyphs:1.0.0", split: train}
  test: {ref: "glyphs:1.0.0", split: test}
`

func (p preparation) cheat() error {
	engine := fixtures.Cheat(fixtures.CheatOptions{
		Shape: []int{28, 28, 1}, Classes: 10, Microbatch: 8, Microbatches: 4, Steps: 12,
		Weights: []fixtures.Weight{{Name: "dense1.bias", Shape: []int{10}, Values: make([]float32, 10)}},
	})
	if err := os.WriteFile(p.path("cheat.wasm"), engine, 0o666); err != nil {
		return err
	}
	return p.publish("cheat", []byte(cheatSpecification), func(c map[string]any) {
		c["engine"].(map[string]any)["compiler"] = wasm.Version
		delete(c["engine"].(map[string]any), "foreign")
		claim := firstResult(c)
		claim["correct"] = claim["total"]
	})
}

// damaged flips a bit in the last shard of its dataset's test split.
func (p preparation) damaged() error {
	if err := p.dataset("damaged-glyphs", 2, fixtures.GlyphClasses()); err != nil {
		return err
	}
	if err := p.publish("damaged", named("mnist-cnn", "damaged", "damaged-glyphs"), func(c map[string]any) {
		c["title"] = "A network whose data are damaged"
	}); err != nil {
		return err
	}
	out, err := exec.Command(p.command, "--store", p.store, "--json", "dataset", "show", "damaged-glyphs:1.0.0").Output()
	if err != nil {
		return err
	}
	var shown struct{ Digest schema.Digest }
	if err := json.Unmarshal(out, &shown); err != nil {
		return err
	}
	var manifest struct {
		Config struct{ Digest schema.Digest }
	}
	if err := p.blob(shown.Digest, &manifest); err != nil {
		return err
	}
	var dataset schema.Dataset
	if err := p.blob(manifest.Config.Digest, &dataset); err != nil {
		return err
	}
	for _, split := range dataset.Splits {
		if split.Name == "test" {
			return flip(p.blobPath(split.Shards[len(split.Shards)-1].Digest))
		}
	}
	return fmt.Errorf("the dataset has no test split")
}

func (p preparation) blobPath(d schema.Digest) string {
	return filepath.Join(p.store, "blobs", "sha256", strings.TrimPrefix(d.String(), "sha256:"))
}

func (p preparation) blob(d schema.Digest, document any) error {
	b, err := os.ReadFile(p.blobPath(d))
	if err != nil {
		return err
	}
	return json.Unmarshal(b, document)
}

func flip(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	if err := os.Chmod(path, 0o644); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
