"""One library of others, and the options that make our program do the same."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A method in a library of others."""

    name: str
    library: str
    batch: int
    # Options of `layersep train`.
    options: tuple[str, ...]
    # Trains a network in PyTorch in place, from a problem, for so many epochs.
    train: Callable
