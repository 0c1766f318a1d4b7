"""Packs PyTorch modules as a bundle: two densities and three classifiers, here with random weights.

python pack_pytorch_models.py BUNDLE
"""

import sys

import pyarrow as pa
import torch
from torch import nn

import lsmi_etl

DIM, CLASSES = 16, 3


class Gaussian(nn.Module):
    """-ln p(x) of a Gaussian of independent values."""

    def __init__(self, dim):
        super().__init__()
        self.mean = nn.Parameter(torch.randn(dim))
        self.log_scale = nn.Parameter(torch.randn(dim) / 4)

    def forward(self, x):
        z = (x - self.mean) * torch.exp(-self.log_scale)
        return (z**2).sum(1) / 2 + self.log_scale.sum() + self.mean.numel() / 2 * torch.log(torch.tensor(2 * torch.pi))


class OfBoth(nn.Module):
    """Logits of two embeddings."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * DIM, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, CLASSES))

    def forward(self, x1, x2):
        return self.layers(torch.cat([x1, x2], dim=1))


def of_one():
    return nn.Sequential(nn.Linear(DIM, 64), nn.ReLU(), nn.Linear(64, CLASSES))


example = pa.table({"image": torch.randn(32, DIM).tolist(), "text": torch.randn(32, DIM).tolist()})
bundle = lsmi_etl.pack(
    {"1": Gaussian(DIM), "2": Gaussian(DIM)},
    {"1": of_one(), "2": of_one(), "12": OfBoth()},
    example=example,
    target=sys.argv[1],
    x1="image",
    x2="text",
    label="class",
    classes=range(CLASSES),
    prior=[1 / CLASSES] * CLASSES,
)
print(bundle)
