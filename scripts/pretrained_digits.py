#!/usr/bin/env python3
"""Trains the small PyTorch network that ls-train/examples/finetune_head.rs starts from: digits 0 to 7, so that 8 and 9 are new.

usage: pretrained_digits.py OUTPUT.safetensors

Needs torch and safetensors; reads the embedded digits of this repository.
"""

import gzip
import pathlib
import sys

import torch
from safetensors.torch import save_file

DATA = pathlib.Path(__file__).parent.parent / "datasets/data/optdigits"
KNOWN = 8


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(64, 32)
        self.fc2 = torch.nn.Linear(32, 32)
        self.fc3 = torch.nn.Linear(32, KNOWN)

    def forward(self, pixels):
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(pixels)))))


def digits(name):
    """Pixels from 0 to 1 and labels of the known digits."""
    with gzip.open(DATA / name, "rt") as lines:
        rows = torch.tensor([[int(cell) for cell in line.split(",")] for line in lines])
    rows = rows[rows[:, -1] < KNOWN]
    return rows[:, :-1] / 16, rows[:, -1]


torch.manual_seed(1)
model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-4)
pixels, labels = digits("optdigits.tra.gz")
for _ in range(200):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(pixels), labels)
    loss.backward()
    optimizer.step()
pixels, labels = digits("optdigits.tes.gz")
accuracy = (model(pixels).argmax(1) == labels).float().mean()
print(f"loss {loss:.4f}, accuracy on the test digits 0 to {KNOWN - 1}: {100 * accuracy:.2f} %")
save_file(model.state_dict(), sys.argv[1])
