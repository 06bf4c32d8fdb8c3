# Computes layers with PyTorch, in float64: standard input and output are JSON lists of cases (pytorch_test.go).
import json
import sys

import torch
import torch.nn.functional as F  # noqa: N812, of the cases' expressions


def chw(x):
    """Images [n, height, width, channels] as PyTorch wants them, [n, channels, height, width]; sequences likewise."""
    return x.movedim(-1, 1)


def hwc(x):
    """The other way round."""
    return x.movedim(1, -1)


results = []
for case in json.load(sys.stdin):
    tensor = lambda t: torch.tensor(t["values"], dtype=torch.float64).reshape(t["shape"]).requires_grad_()
    x = tensor(case["x"])
    p = {name: tensor(t) for name, t in case["parameters"].items()}
    y = eval(case["code"], {"torch": torch, "F": F, "chw": chw, "hwc": hwc, "x": x, "p": p})
    y.backward(torch.tensor(case["gradient"], dtype=torch.float64).reshape(y.shape))
    numbers = lambda t: [float("%.9g" % v) for v in t.detach().flatten().tolist()]
    results.append({
        "name": case["name"], "y": numbers(y), "x": numbers(x.grad),
        "parameters": {name: numbers(t.grad) for name, t in p.items()},
    })
json.dump(results, sys.stdout)
