"""Exports small networks from PyTorch 1.13 as ONNX, and what they predict, as JSON.

    python3 pytorch.py > pytorch.json

Each entry is {name, onnx (base64), loss, inputs: records as [height, width, channels], outputs}. Parameters and inputs are drawn from a
seed; nothing is trained, but batch norms have statistics that some batches gave them.
"""

import base64
import io
import json
import sys
import warnings

import torch
from torch import nn

warnings.filterwarnings("ignore")
torch.set_num_threads(1)


class Block(nn.Module):
    """The block of a ResNet: two convolutions, and what goes past them."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.past = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.past = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return torch.relu(self.main(x) + self.past(x))


class View(nn.Module):
    """What people write by hand: view, torch.cat, a mean over height and width, log_softmax, a bias before a norm."""

    def __init__(self):
        super().__init__()
        self.left = nn.Conv2d(2, 3, (3, 2), (2, 1), (1, 0))
        self.right = nn.Conv2d(2, 4, (3, 2), (2, 1), (1, 0))
        self.norm = nn.BatchNorm2d(3, eps=1e-3, momentum=0.2)
        self.rows = nn.BatchNorm1d(3 * 12)
        self.hidden = nn.Linear(3 * 12 + 7, 6)
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        left, right = self.norm(self.left(x)), self.right(x)
        both = torch.cat([left, right], 1)
        rows = self.rows(left.view(left.size(0), -1))
        x = torch.cat([rows, both.mean((2, 3))], 1)
        x = torch.tanh(self.hidden(x))
        return torch.log_softmax(self.last(x), 1)


def resnet():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        Block(4, 4, 1),
        Block(4, 6, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
    )


NETWORKS = {
    "mlp": ([9], lambda: nn.Sequential(nn.Linear(9, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 4), nn.Softmax(1)), {}),
    "lenet": (
        [1, 20, 20],
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(),
            nn.AvgPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(64, 12), nn.Sigmoid(), nn.Linear(12, 5),
        ),
        {},
    ),
    # Norms stay nodes, or are folded into the convolutions, as the exporter is told.
    "resnet": ([3, 12, 12], resnet, {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}),
    "resnet-folded": ([3, 12, 12], resnet, {}),
    "depthwise": (
        [4, 9, 9],
        lambda: nn.Sequential(
            nn.Conv2d(4, 4, 3, 2, 1, groups=4), nn.BatchNorm2d(4), nn.ReLU6(), nn.Conv2d(4, 6, 1), nn.Hardswish(),
            nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(6, 3),
        ),
        {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False},
    ),
    "slopes": (
        [4, 9, 8],
        lambda: nn.Sequential(
            nn.Conv2d(4, 6, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(6, 12, 3), nn.PReLU(12),
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(12, 3), nn.PReLU(),
        ),
        {},
    ),
    "functions": (
        [6],
        lambda: nn.Sequential(*[
            layer
            for f in [nn.LeakyReLU(), nn.ELU(), nn.GELU(), nn.SiLU(), nn.Softplus(), nn.Softsign(), nn.SELU(), nn.Hardsigmoid(), nn.Mish()]
            for layer in (nn.Linear(6, 6), f)
        ], nn.Linear(6, 2)),
        {},
    ),
    "view": ([2, 7, 4], View, {"dynamic_axes": {"x": {0: "batch"}}, "training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}),
}


def export(name, shape, network, options):
    torch.manual_seed(7)
    model = network()
    for p in model.parameters():  # larger than PyTorch draws them, so that functions bend
        p.data.mul_(1.5)
    model.train()
    for _ in range(3):
        model(torch.randn(8, *shape) + 0.3)
    model.eval()
    x = (torch.randn(4, *shape) * 16).round() / 16  # short in decimals
    with torch.no_grad():
        y = model(x)
    loss = "mean-squared-error"
    if name == "view":  # predictions are probabilities, not their logarithms
        y = y.exp()
    if name in ("mlp", "view"):
        loss = "softmax-cross-entropy"
    file = io.BytesIO()
    torch.onnx.export(model, x[:1], file, input_names=["x"], output_names=["y"], **options)
    records = x.permute(0, 2, 3, 1) if len(shape) == 3 else x
    return {
        "name": name,
        "onnx": base64.b64encode(file.getvalue()).decode(),
        "loss": loss,
        "inputs": records.flatten(1).tolist(),
        "outputs": [[float(f"{v:.9g}") for v in r] for r in y.tolist()],
    }


# One entry a line, which reads best as a difference.
entries = [json.dumps(export(name, *rest)) for name, rest in NETWORKS.items()]
sys.stdout.write("[\n" + ",\n".join(entries) + "\n]\n")
