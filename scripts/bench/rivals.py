"""The optimizers in PyTorch that layersep is compared with."""

from dataclasses import dataclass
from functools import partial
from typing import Callable

import isaac
import locoprop
import pytorch_optimizer
import torch
from torch import nn
from torch.nn import functional

from cases import FULL
from lbfgs import Lbfgs
from network import network
from tuning import Axis, choices, rates


@dataclass(frozen=True)
class Rival:
    """An optimizer, its settings to tune, and where it applies."""

    name: str
    axes: tuple[Axis, ...]
    # Makes a trainer from a problem, a setting and the size of a batch. A trainer has the `model`, a function `step`, and may have a
    # function `scale` of the rates.
    make: Callable
    # Whether it takes batches.
    takes_batches: bool = True
    # Whether it can train convolutions.
    takes_convolutions: bool = True
    # Whether its rates can follow a schedule.
    has_rates: bool = True


class Gradients:
    """Trains by an optimizer of PyTorch's kind."""

    def __init__(self, model, optimizer):
        self.model = model
        self.optimizer = optimizer
        self.rates = [group["lr"] for group in optimizer.param_groups]

    def step(self, inputs, labels):
        """Makes one step on a batch."""
        self.optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(self.model(inputs), labels).backward()
        self.optimizer.step()

    def scale(self, factor):
        """Sets the rates to a share of those at the start."""
        for group, rate in zip(self.optimizer.param_groups, self.rates):
            group["lr"] = factor * rate


class LocoProp:
    """Trains by LocoProp-M: every stage fits targets of its own in a few local steps."""

    def __init__(self, problem, setting, batch):
        self.model = network(problem)
        layers = [locoprop.LocoLayer(stage.layer, stage.activation) for stage in self.model.stages]
        self.trainer = locoprop.LocopropTrainer(
            nn.Sequential(*layers),
            functional.cross_entropy,
            optimizer_hparams={"lr": setting["rate"], "eps": 1e-6, "momentum": 0.999, "alpha": 0.9},
            # The loss is a mean over the batch; targets move by the gradients of single samples.
            learning_rate=setting["gamma"] * batch,
        )
        self.optimizers = [optimizer for optimizer in self.trainer.opts if optimizer]
        self.rate = setting["rate"]

    def step(self, inputs, labels):
        """Makes the local steps on a batch."""
        self.trainer.step(inputs, labels)

    def scale(self, factor):
        """Sets the rate of the local steps to a share of that at the start."""
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = factor * self.rate


def simple(optimizer, problem, setting, _batch, **constants):
    """Makes a trainer whose only setting is the rate."""
    model = network(problem)
    return Gradients(model, optimizer(model.parameters(), lr=setting["rate"], **constants))


def muon(problem, setting, _batch):
    """Makes a trainer by Muon for the kernels of hidden stages, and by AdamW for the head and all biases."""
    model = network(problem)
    kernels = [stage.layer.weight for stage in model.stages[:-1]]
    hidden = {id(kernel) for kernel in kernels}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in hidden]
    groups = [
        {"params": kernels, "lr": setting["rate"], "use_muon": True},
        {"params": rest, "lr": setting["rest"], "use_muon": False},
    ]
    return Gradients(model, pytorch_optimizer.Muon(groups))


def isaac_sgd(problem, setting, _batch):
    """Makes a trainer by SGD with momentum, whose gradients ISAAC preconditions by the inputs of each layer."""
    model = network(problem, partial(isaac.Linear, la=setting["la"]))
    return Gradients(model, torch.optim.SGD(model.parameters(), lr=setting["rate"], momentum=0.9))


def lbfgs(problem, setting, _batch):
    """Makes a trainer by L-BFGS."""
    return Lbfgs(network(problem), setting["history"])


ALL = [
    Rival("sgd", (rates("rate", 0.01, 0.03, 0.1),), partial(simple, torch.optim.SGD, momentum=0.9)),
    Rival("adam", (rates("rate", 3e-4, 1e-3, 3e-3),), partial(simple, torch.optim.Adam, eps=1e-8)),
    Rival("adamw", (rates("rate", 3e-4, 1e-3, 3e-3),), partial(simple, torch.optim.AdamW)),
    Rival("soap", (rates("rate", 1e-3, 3e-3, 0.01),), partial(simple, pytorch_optimizer.SOAP, weight_decay=0.0)),
    Rival("muon", (rates("rate", 3e-3, 0.01, 0.03), rates("rest", 3e-4, 1e-3, 3e-3)), muon),
    Rival("isaac", (rates("rate", 0.03, 0.1, 0.3), rates("la", 0.1, 1, 10, stride=2)), isaac_sgd, takes_convolutions=False),
    Rival("locoprop-m", (rates("rate", 3e-5, 1e-4, 3e-4), rates("gamma", 1, 10, 100, stride=2)), LocoProp, takes_convolutions=False),
    Rival("lbfgs", (choices("history", 5, 10, 20, 50),), lbfgs, takes_batches=False, has_rates=False),
]


@dataclass(frozen=True)
class Entry:
    """A rival in a case: with batches of a size, and a schedule."""

    rival: Rival
    batch: str | int
    is_linear: bool

    @property
    def name(self):
        """Name for tables and options, such as `adam-linear@250`."""
        return f"{self.rival.name}{'-linear' if self.is_linear else ''}@{self.batch}"


def entries(case):
    """Returns the rivals of a case. Only in batches and with epochs as the budget do rates fall linearly to zero, beside constant ones."""
    found = []
    for batch in case.batches:
        for rival in ALL:
            if case.has_convolutions and not rival.takes_convolutions:
                continue
            if batch != FULL and not rival.takes_batches:
                continue
            found.append(Entry(rival, batch, False))
            if batch != FULL and case.epochs and rival.has_rates:
                found.append(Entry(rival, batch, True))
    return found
