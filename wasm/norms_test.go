package wasm_test

import "testing"

func TestAdaptivePools(t *testing.T) {
	for _, kind := range []string{"adaptive-maxpool2d", "adaptive-avgpool2d"} {
		for _, c := range [][2]string{{"5, 7, 3", "[3, 2]"}, {"4, 4, 2", "2"}, {"3, 5, 2", "[3, 4]"}, {"6, 1, 1", "[4, 1]"}} {
			checkShapes(t, c[0], "- "+kind+": {size: "+c[1]+"}")
		}
	}
	for _, input := range []string{"3, 4, 5", "6, 3"} {
		checkShapes(t, input, "- global-max-pool")
	}
}

func TestLocalResponseNorm(t *testing.T) {
	for _, attributes := range []string{"alpha: 0.5", "size: 2, alpha: 3, beta: 0.5, k: 2", "size: 9, alpha: 1, beta: 1", "size: 1, alpha: 2"} {
		checkShapes(t, "2, 3, 6", "- local-response-norm: {"+attributes+"}")
	}
	checkShapes(t, "7", "- local-response-norm: {size: 3, alpha: 1}")
	checkShapes(t, "3, 4", "- local-response-norm: {size: 3, alpha: 1}")
}

func TestGroupNorms(t *testing.T) {
	checkShapes(t, "2, 3, 6", "- group-norm: {groups: 2}")
	checkShapes(t, "2, 2, 4", "- group-norm: {groups: 4, affine: false, epsilon: 0.01}")
	checkShapes(t, "8", "- group-norm: {groups: 2}")
	checkShapes(t, "5, 3", "- group-norm: {groups: 1}")
	checkShapes(t, "3, 3, 2", "- instance-norm")
	checkShapes(t, "5, 3", "- instance-norm: {affine: true}")
}
