"""PyTorch on one thread. Reads a request in JSON from each line, {"method": …, "argument": …}, and answers in a line."""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)
torch.manual_seed(1)


class Block(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters))
        plain = stride == 1 and channels == filters
        self.side = nn.Identity() if plain else nn.Sequential(
            nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        return functional.relu(self.main(x) + self.side(x))


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def build(network):
    height, width, channels = network["input"]
    example = torch.zeros(1, channels, height, width)
    modules = nn.Sequential()
    for l in network["layers"]:
        kind = l["kind"]
        if kind == "conv":
            modules.append(nn.Conv2d(channels, l["filters"], l["kernel"], l["stride"], l["padding"], bias=l.get("bias", False)))
        elif kind == "pool":
            modules.append(nn.MaxPool2d(l["size"], l["stride"], l["padding"]))
        elif kind == "norm":
            modules.append(nn.BatchNorm2d(channels))
        elif kind == "block":
            modules.append(Block(channels, l["filters"], l["stride"]))
        elif kind == "mean":
            modules.append(Mean())
        elif kind == "dense":
            modules.append(nn.Flatten())
            modules.append(nn.Linear(modules.eval()(example).shape[1], l["units"]))
        if l.get("relu"):
            modules.append(nn.ReLU())
        channels = l.get("filters", l.get("units", channels))
    return modules


def products():
    """GFLOP/s of products of matrices: it tells a fast BLAS from the reference one, which Debian's PyTorch uses without another."""
    a, best = torch.rand(512, 512), 0
    for _ in range(5):
        begin = time.thread_time()
        a @ a
        best = max(best, 2 * 512**3 / (time.thread_time() - begin) / 1e9)
    return best


class System:
    def open(self, argument):
        network, self.accumulated = argument["network"], argument["microbatches"]
        height, width, channels = network["input"]
        self.size = network["batch"]
        self.model = build(network)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.001)
        prototypes = torch.rand(10, channels, height, width)
        self.labels = torch.arange(self.size) % 10
        self.batches = [(prototypes[self.labels] + torch.rand(self.size, channels, height, width)) / 2 for _ in range(8)]
        self.next = 0
        version = f"{torch.__version__}, {products():.0f} GFLOP/s in products of matrices"
        return {"version": version, "parameters": sum(p.numel() for p in self.model.parameters())}

    def batch(self):
        self.next += 1
        return self.batches[self.next % len(self.batches)]

    def timed(self, n, step):
        begin, clock = time.thread_time(), time.perf_counter()
        for _ in range(n):
            step()
        return {"seconds": time.perf_counter() - clock, "processor": time.thread_time() - begin}

    def train(self, n):
        self.model.train()

        def step():
            self.optimizer.zero_grad(set_to_none=True)
            for _ in range(self.accumulated):
                self.loss = functional.cross_entropy(self.model(self.batch()), self.labels)
                self.loss.backward()
            self.optimizer.step()

        times = self.timed(n, step)
        return times | {"examples": n * self.size * self.accumulated, "loss": float(self.loss)}

    def infer(self, n):
        self.model.eval()

        def step():
            with torch.no_grad():
                torch.softmax(self.model(self.batch()), 1).numpy().copy()

        return self.timed(n, step) | {"examples": n * self.size}


system = System()
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"value": getattr(system, request["method"])(request["argument"])}
    except Exception as failure:  # whatever it is, the benchmark says so
        answer = {"failure": f"{type(failure).__name__}: {failure}"}
    print(json.dumps(answer), flush=True)
