"""Problems that `layersep problem` wrote, and their networks in PyTorch."""

import json
from dataclasses import dataclass

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional

from failure import Failure

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "identity": nn.Identity,
}

# Samples that pass at once when a split is measured.
CHUNK = 4096


@dataclass
class Problem:
    """What a run starts from."""

    facts: dict
    tensors: dict

    @staticmethod
    def read(path):
        """Reads a file of `layersep problem`."""
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["layersep"])
            return Problem(facts, {name: file.get_tensor(name) for name in file.keys()})

    def split(self, name):
        """Returns inputs and labels of a split."""
        return self.tensors[f"{name}.inputs"], self.tensors[f"{name}.labels"]

    def batches(self, epoch, is_full):
        """Yields inputs and labels of the batches of an epoch, counted from 0, in its order."""
        inputs, labels = self.split("train")
        starts = self.tensors["batches.starts"].tolist()
        if is_full or len(starts) == 2:
            yield inputs, labels
            return
        order = self.tensors["batches.order"]
        members = self.tensors["batches.members"]
        # A run by the clock may take more epochs than the file foresees.
        for batch in order[epoch % len(order)].tolist():
            chosen = members[starts[batch] : starts[batch + 1]]
            yield inputs[chosen], labels[chosen]

    def steps(self, is_full):
        """Returns the number of batches of an epoch."""
        return 1 if is_full else len(self.tensors["batches.starts"]) - 1


class Stage(nn.Module):
    """A layer with parameters, and everything behind it up to the next: activation and pooling."""

    def __init__(self, layer, activation=None, pooling=None):
        super().__init__()
        self.layer = layer
        self.activation = ACTIVATIONS[activation or "identity"]()
        self.pooling = pooling

    def forward(self, inputs):
        if isinstance(self.layer, nn.Linear):
            inputs = inputs.flatten(1)
        outputs = self.activation(self.layer(inputs))
        if self.pooling is None:
            return outputs
        pool = functional.max_pool2d if self.pooling["kind"] == "max" else functional.avg_pool2d
        return pool(outputs, self.pooling["size"])


class Network(nn.Module):
    """The stages one after the other, the head last."""

    def __init__(self, shape, stages):
        super().__init__()
        self.shape = shape
        self.stages = nn.ModuleList(stages)

    def forward(self, inputs):
        if isinstance(self.stages[0].layer, nn.Conv2d):
            inputs = inputs.reshape(-1, *self.shape)
        for stage in self.stages:
            inputs = stage(inputs)
        return inputs


def network(problem, linear=nn.Linear):
    """Builds the network of a problem with its initial weights; `linear` makes the dense layers."""
    stages = []
    for settings in [*problem.facts["stages"], {"kind": "dense"}]:
        weight = problem.tensors[f"stages.{len(stages)}.weight"]
        bias = problem.tensors[f"stages.{len(stages)}.bias"]
        layer = make_layer(settings, weight.shape, linear)
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        stages.append(Stage(layer, settings.get("activation"), settings.get("pooling")))
    return Network(problem.facts["shape"], stages)


def make_layer(settings, shape, linear):
    """Makes the layer of a stage for weights of a shape."""
    if settings["kind"] == "dense":
        return linear(shape[1], shape[0])
    if settings["kind"] == "convolution":
        places = {"stride": settings.get("stride", 1), "padding": settings.get("padding", 0)}
        return nn.Conv2d(shape[1], shape[0], settings["kernel"], **places)
    raise Failure(f"stages of kind {settings['kind']} have no counterpart in PyTorch here")


@torch.no_grad()
def measure(model, inputs, labels):
    """Returns mean loss and share of correct answers. The loss is summed in f64, where a small one does not read as zero."""
    loss = correct = 0
    for at in range(0, len(inputs), CHUNK):
        logits = model(inputs[at : at + CHUNK])
        truth = labels[at : at + CHUNK]
        loss += functional.cross_entropy(logits.double(), truth, reduction="sum").item()
        correct += (logits.argmax(1) == truth).sum().item()
    return loss / len(inputs), correct / len(inputs)
