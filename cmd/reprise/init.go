package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
)

var (
	//go:embed templates/closure.yaml
	specificationTemplate []byte
	//go:embed templates/README.md
	readmeTemplate []byte
)

// specificationFile is the usual name of a specification.
const specificationFile = "closure.yaml"

func initCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "Write a commented closure.yaml and README.md to start from",
		Long: long(`
Writes a specification with comments, and a README.md that becomes the closure's, into a folder (default the
present one). Files that are there are never overwritten.`),
		Example: "  reprise init my-network",
		Args:    between(0, 1, "FOLDER"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.init(append(args, ".")[0])
		},
	}
}

func (a *app) init(folder string) error {
	files := []struct {
		name    string
		content []byte
	}{{specificationFile, specificationTemplate}, {schema.PathReadme, readmeTemplate}}
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(folder, f.name)); err == nil {
			return usagef("name another folder, or remove the file", "%s is already there", filepath.Join(folder, f.name))
		}
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	report := schema.InitReport{Files: []string{}}
	for _, f := range files {
		path := filepath.Join(folder, f.name)
		if err := writeNew(path, f.content); err != nil {
			return err
		}
		report.Files = append(report.Files, path)
	}
	return a.answer(report, func(w io.Writer) {
		for _, path := range report.Files {
			fmt.Fprintf(w, "wrote %s\n", path)
		}
		fmt.Fprintf(w, "next: import the data, then reprise train %s -o closure\n", report.Files[0])
	})
}

// writeNew writes a file that must not be there.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return usagef("name another folder, or remove the file", "%s is already there", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
