package wasm_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

var update = flag.Bool("update", false, "write OPS.md, and with REPRISE_PYTORCH what PyTorch computes, anew")

// opsFile is the table of what the tests of this package show.
const opsFile = "OPS.md"

const opsHead = `# What is shown of each operation

Written by ` + "`go test ./wasm -update`" + `, which fills in what its tests have shown; the same tests fail where this file differs or
has a gap.

- **forward, backward = oracle**: outputs and gradients of the engine are those of the plain Go in wasm/ref bit for bit, in wazero's
  compiler and in its interpreter, at odd shapes and with microbatches that do not fill their tiles.
- **gradient = measured**: the oracle's gradients are the differences of its loss in float64.
- **PyTorch**: outputs and gradients, by the input and by parameters, are those of PyTorch 1.13 in float64 (` + "`testdata/pytorch.json`" + `
  records them; ` + "`make test-all`" + ` asks PyTorch again).
- **golden**: trainings of fixtures/golden whose digests are recorded. wazero (fixtures/golden), Chromium and Firefox
  (web/e2e/golden.test.ts) must all reach them.
`

// unlike says of what there is no comparison with PyTorch.
var unlike = map[string]string{
	"dropout": "random", "gaussian-noise": "random",
	// What tests of whole models compare, and what awaits its numbers.
	"embedding": "not yet", "positional-encoding": "not yet", "attention": "not yet",
	"rnn": "not yet", "lstm": "not yet", "gru": "not yet",
}

// TestMain compares the table, where all tests of the package have run, with the one that is committed.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if code == 0 && allTests() {
		if err := checkOps(); err != nil {
			fmt.Println("FAIL:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// allTests reports whether nothing was left out.
func allTests() bool {
	for _, name := range []string{"run", "skip", "list", "fuzz", "bench"} {
		if flag.Lookup("test."+name).Value.String() != "" {
			return false
		}
	}
	return flag.Lookup("test.fuzzworker").Value.String() == "false"
}

func checkOps() error {
	table, gaps, err := optest.Table("../fixtures/golden", unlike)
	if err != nil {
		return err
	}
	if len(gaps) > 0 {
		return fmt.Errorf("operations of the vocabulary lack tests:\n%s", strings.Join(gaps, "\n"))
	}
	table = opsHead + table
	if *update {
		return os.WriteFile(opsFile, []byte(table), 0o644)
	}
	committed, err := os.ReadFile(opsFile)
	if err != nil {
		return err
	}
	if string(committed) != table {
		return fmt.Errorf("wasm/%s is not what the tests show; write it with go test ./wasm -update. It would be:\n%s", opsFile, table)
	}
	return nil
}
