"""The reference implementation's modules in PyTorch on the processor: two KNIFE densities
in their own parametrisation (every component's triangular product as a batch of
matrix-vector products) and three MLP classifiers, evaluated on rows in memory.

    python reference.py --dim D [--rows N] [--components K] [--classes C] [--threads N]

Prints one line of JSON: rows a second at the best of several batch sizes.
"""

import argparse
import json
import time

import torch
from torch import nn

HIDDEN = 64


class Knife(nn.Module):
    """h(x) = -ln sum_k w_k N(x; mu_k, ...), as Pichler et al. 2022 evaluate it."""

    def __init__(self, dim, components):
        super().__init__()
        self.dim = dim
        self.means = nn.Parameter(torch.randn(1, components, dim))
        self.logvar = nn.Parameter(torch.randn(1, components, dim))
        self.tri = nn.Parameter(torch.randn(1, components, dim, dim) / dim)
        self.weight = nn.Parameter(torch.randn(1, components))

    def forward(self, x):
        x = x[:, None, :]
        w = torch.log_softmax(self.weight, dim=1)
        logvar = self.logvar.tanh()
        var = logvar.exp()
        y = (x - self.means) * var
        y = y + torch.squeeze(torch.matmul(torch.tril(self.tri, diagonal=-1), y[:, :, :, None]), 3)
        y = torch.sum(y**2, dim=2)
        y = -y / 2 + torch.sum(torch.log(torch.abs(var) + 1e-8), dim=-1) + w
        y = torch.logsumexp(y, dim=-1)
        return self.dim / 2 * torch.log(torch.tensor(2 * torch.pi)) - y


def classifier(dim, classes):
    return nn.Sequential(
        nn.Linear(dim, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--components", type=int, default=5)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    dim, classes = args.dim, args.classes
    densities = [Knife(dim, args.components) for _ in range(2)]
    classifiers = [classifier(dim, classes), classifier(dim, classes), classifier(2 * dim, classes)]

    def evaluate(x1, x2, y):
        h = [density(x) for density, x in zip(densities, (x1, x2))]
        inputs = (x1, x2, torch.cat([x1, x2], dim=1))
        log_p = [torch.log_softmax(c(x), dim=1).gather(1, y) for c, x in zip(classifiers, inputs)]
        return h + log_p

    best = (0.0, 0)
    with torch.inference_mode():
        for rows in (32, 128, 512):
            batch = torch.randn(rows, dim), torch.randn(rows, dim), torch.randint(classes, (rows, 1))
            evaluate(*batch)
            start, done = time.perf_counter(), 0
            while time.perf_counter() - start < args.seconds / 3:
                evaluate(*batch)
                done += rows
            best = max(best, (done / (time.perf_counter() - start), rows))
    print(json.dumps({"rows_per_second": best[0], "batch_rows": best[1], "torch": torch.__version__}))


if __name__ == "__main__":
    main()
