// Command synthetic fills a store with closures for measurements of the site: go run ./api/apitest/synthetic STORE [N].
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/reprise-ml/reprise/api/apitest"
	"github.com/reprise-ml/reprise/zoo/directory"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "synthetic:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	n := 1000
	if len(args) == 2 {
		var err error
		if n, err = strconv.Atoi(args[1]); err != nil || n < 0 {
			return fmt.Errorf("%q is not a number of closures", args[1])
		}
	} else if len(args) != 1 {
		return fmt.Errorf("usage: synthetic STORE [N]")
	}
	s, err := directory.Create(args[0])
	if err != nil {
		return err
	}
	ctx := context.Background()
	z, err := apitest.New(ctx, s)
	if err != nil {
		return err
	}
	return z.Fill(ctx, n)
}
