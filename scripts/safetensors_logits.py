#!/usr/bin/env python3
"""Computes the logits of an exported network with NumPy, and compares them with those of `layersep predict --json`.

usage: safetensors_logits.py MODEL.safetensors IMAGES.csv PREDICTIONS.jsonl

Needs numpy and safetensors. Also an example of how to use an export without layersep: names, shapes and metadata are all there is.
"""

import json
import math
import sys

import numpy as np
from safetensors import safe_open

# Logits of f32 sums against those of f64 sums, relative to the largest logit.
TOLERANCE = 1e-5

ACTIVATIONS = {
    "relu": lambda u: np.maximum(u, 0),
    "leaky-relu": lambda u: np.where(u > 0, u, 0.01 * u),
    "tanh": np.tanh,
    "sigmoid": lambda u: 1 / (1 + np.exp(-u)),
    "gelu": lambda u: u * 0.5 * (1 + np.vectorize(math.erf)(u / math.sqrt(2))),
    "silu": lambda u: u / (1 + np.exp(-u)),
    "identity": lambda u: u,
    "sign": lambda u: np.where(u > 0, 1.0, -1.0),
    "step": lambda u: np.where(u > 0, 1.0, 0.0),
}


def correlate(images, weight, bias, stride, padding):
    side = weight.shape[-1]
    images = np.pad(images, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    windows = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None]


def pool(images, pooling):
    size = pooling["size"]
    n, c, h, w = images.shape
    h, w = h // size, w // size
    windows = images[:, :, : h * size, : w * size].reshape(n, c, h, size, w, size)
    return windows.max((3, 5)) if pooling["kind"] == "max" else windows.mean((3, 5))


def normalized(u, normalization):
    if normalization is None:
        return u
    groups = u.reshape(len(u), normalization.get("groups", 1), -1)
    centred = groups - groups.mean(2, keepdims=True)
    return (centred / np.sqrt(centred.var(2, keepdims=True) + 1e-5)).reshape(u.shape)


def weight_of(tensors, name, inputs):
    """The weight of a layer, or of a convolution with as many entries for each output; binary weights are unpacked."""
    if f"{name}.weight" in tensors:
        return tensors[f"{name}.weight"].astype(np.float64)
    bits = np.unpackbits(tensors[f"{name}.weight_bits"], axis=1, count=inputs, bitorder="little")
    return (2.0 * bits - 1.0) * tensors[f"{name}.weight_scale"].astype(np.float64)[:, None]


def forward(stage, h, tensors, name):
    """Outputs of one hidden stage for inputs [images, ...]."""
    kind, activation = stage["kind"], ACTIVATIONS[stage["activation"]]
    normalize = lambda u: normalized(u, stage.get("normalization"))
    bias = tensors[f"{name}.bias"].astype(np.float64)
    if kind in ("dense", "residual-dense"):
        flat = h.reshape(len(h), -1)
        output = activation(normalize(flat @ weight_of(tensors, name, flat.shape[1]).T + bias))
        return flat + output if kind == "residual-dense" else output
    if kind not in ("convolution", "residual-convolution"):
        sys.exit(f"unknown stage {kind}")
    side, channels = stage["kernel"], h.shape[1]
    weight = weight_of(tensors, name, channels * side * side).reshape(-1, channels, side, side)
    if kind == "residual-convolution":
        return h + activation(correlate(h, weight, bias, 1, side // 2))
    output = activation(normalize(correlate(h, weight, bias, stage.get("stride", 1), stage.get("padding", 0))))
    return pool(output, stage["pooling"]) if stage.get("pooling") else output


def main(model, images, predictions):
    with safe_open(model, "numpy") as file:
        metadata = json.loads(file.metadata()["layersep"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    shape = metadata["shape"]
    channel = lambda key: np.array(metadata[key])[:, None, None]
    pixels = np.loadtxt(images, delimiter=",", ndmin=2).reshape(-1, *shape)
    h = (pixels / metadata["pixel_max"] - channel("mean")) / channel("deviation")
    stages = metadata["stages"]
    stages.append({"kind": "dense", "activation": "identity"})
    for l, stage in enumerate(stages):
        h = forward(stage, h, tensors, f"stages.{l}")
    logits = h
    with open(predictions) as lines:
        expected = np.array([json.loads(line)["logits"] for line in lines])
    if logits.shape != expected.shape:
        sys.exit(f"{logits.shape} logits from NumPy, {expected.shape} from layersep")
    error = np.abs(logits - expected).max() / max(1.0, np.abs(expected).max())
    print(f"{len(logits)} images, {len(stages)} stages: largest difference {error:.1e} of the largest logit")
    if not error <= TOLERANCE:
        sys.exit(f"above {TOLERANCE:.0e}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
