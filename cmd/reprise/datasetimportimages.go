package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
)

func importImagesCommand(a *app) *cobra.Command {
	var f importFlags
	var resize string
	c := &cobra.Command{
		Use:   "images [FOLDER | ARCHIVE] --name NAME:VERSION",
		Short: "Import JPEG, PNG and GIF images in folders named like their classes",
		Long: long(`
Makes a dataset of images in folders that are named like their classes: a folder of those, or a ZIP or TAR
archive (also .tar.gz). Folders train and test around them become splits. Images are JPEG, PNG or GIF (the first
frame), turned upright as their EXIF data say; what is transparent becomes white. They are decoded here and
now, so that everybody trains on the same pixels. Hidden files and those that are no images are passed over.
The same files always give the same dataset.`),
		Example: `  reprise dataset import images ./trashnet --resize 32x32 --test-fraction 0.2 --name trashnet:1.0.0
  reprise dataset import images pets.zip --resize 64x48 --channels 1 --name pets:1.0.0
  reprise dataset import images --split train=./a --split test=b.zip --name things:1.0.0`,
		Args: between(0, 1, "FOLDER"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if f.options.Resize, err = parseSize(resize); err != nil {
				return err
			}
			return a.importDataset(c.Context(), closure.ImportImages, f, args)
		},
	}
	f.add(c, "train=FOLDER")
	c.Flags().StringVar(&resize, "resize", "", "height and width that all images are brought to, such as 32x32 (default their own, if it is the same for all)")
	c.Flags().IntVar(&f.options.Channels, "channels", 0, "1 for grey, 3 for colour (default grey if all images are)")
	return c
}

// parseSize reads HxW.
func parseSize(text string) ([2]int, error) {
	if text == "" {
		return [2]int{}, nil
	}
	height, width, ok := strings.Cut(strings.ToLower(text), "x")
	h, errH := strconv.Atoi(height)
	w, errW := strconv.Atoi(width)
	if !ok || errH != nil || errW != nil || h < 1 || w < 1 {
		return [2]int{}, usagef("write height and width in pixels, such as --resize 32x32", "--resize %q is not HxW", text)
	}
	return [2]int{h, w}, nil
}
