package runner_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
)

// TestMain lets this binary be the child process of its own tests.
func TestMain(m *testing.M) {
	runner.ChildMain()
	if os.Getenv(stuckVariable) != "" {
		stuckParent()
	}
	os.Exit(m.Run())
}

// diff compares values that contain digests.
func diff(want, got any) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b schema.Digest) bool { return a == b }))
}

// stuckVariable makes the test binary a process whose child never answers.
const stuckVariable = "RUNNER_TEST_STUCK"

func stuckParent() {
	ctx := context.Background()
	team, err := runner.Start(ctx, fixtures.HostileNamed(fixtures.EndlessGreedy), glyphData(), runner.TeamOptions{
		Options: patient, Child: &runner.ChildOptions{},
	})
	if err == nil {
		err = team.Init(ctx, 1)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, file := range tasks {
		if pids, _ := os.ReadFile(file); len(pids) > 0 {
			fmt.Println(strings.TrimSpace(string(pids)))
		}
	}
	_, err = team.Step(ctx, 1, runner.First(2))
	fmt.Println(err)
	os.Exit(1)
}
