package closure

import (
	"fmt"
	"slices"
	"strings"
)

// splitFolders are the folders that stand for splits, in lower case.
var splitFolders = map[string]string{
	"train": SplitTrain, "training": SplitTrain,
	"test": SplitTest, "testing": SplitTest,
	"val": "validation", "valid": "validation", "validation": "validation",
}

// imagePlace is what the folders say of an image.
type imagePlace struct {
	split, class string
	path         string // without folders around all images
}

// placeImages finds the class of every image: the folder that it lies in, or that its folder lies in. Folders around all
// others, which archives often have, are passed over. Where no split is named, folders such as train and test, with the
// classes inside, are the splits. The error says which image has no class.
func placeImages(paths []string, split string) ([]imagePlace, error) {
	parts := make([][]string, len(paths)) // folders, and the file's name last
	for i, p := range paths {
		parts[i] = strings.Split(p, "/")
		if len(parts[i]) == 1 {
			return nil, fmt.Errorf("%s: it lies in no folder: images lie in folders named like their classes", printable(p))
		}
	}
	for {
		same, shallow, deep := true, -1, -1
		for i, p := range parts {
			same = same && p[0] == parts[0][0]
			if len(p) == 2 {
				shallow = i
			} else {
				deep = i
			}
		}
		if !same || deep < 0 {
			break
		}
		if shallow >= 0 {
			return nil, fmt.Errorf("%s: it lies beside folders of images, such as that of %s, and so has no class", printable(paths[shallow]), printable(paths[deep]))
		}
		for i := range parts {
			parts[i] = parts[i][1:]
		}
	}
	places := make([]imagePlace, len(paths))
	bySplit := split == "" && !slices.ContainsFunc(parts, func(p []string) bool {
		return len(p) < 3 || splitFolders[strings.ToLower(p[0])] == ""
	})
	if split == "" {
		split = SplitTrain
	}
	for i, p := range parts {
		places[i] = imagePlace{split: split, path: strings.Join(p, "/")}
		if bySplit {
			places[i].split = splitFolders[strings.ToLower(p[0])]
			p = p[1:]
		}
		places[i].class = p[0]
	}
	return places, nil
}
