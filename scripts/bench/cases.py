"""The problems on which the contenders meet."""

from dataclasses import dataclass, replace

FULL = "full"


@dataclass(frozen=True)
class Case:
    """A network, its data, and the budget of a run."""

    name: str
    # The network and its samples in a few words, for the table.
    about: str
    # Data set as `layersep` names it.
    dataset: str
    # Options of `layersep` that describe network and samples.
    options: tuple[str, ...]
    # Batch sizes that contenders train with: FULL, a number, or both.
    batches: tuple[str | int, ...]
    # Training losses whose time is reported, the largest first.
    thresholds: tuple[float, ...]
    # Seconds of training; None where epochs alone are the budget.
    seconds: float | None = None
    # Epochs as the budget; None where seconds are.
    epochs: int | None = None
    # Whether a run ends, and is judged, when it reaches the last threshold.
    is_race: bool = False

    @property
    def batch_size(self):
        """Size of the batches, or FULL where no contender takes any."""
        return next((size for size in self.batches if size != FULL), FULL)

    @property
    def has_convolutions(self):
        """Whether the network has convolutions."""
        return "--model" in self.options

    @property
    def target(self):
        """Training loss at which a run ends."""
        return self.thresholds[-1] if self.is_race else None


def mlp(hidden, activation, init, *more):
    """Options of a fully connected network."""
    return ("--hidden", hidden, "--activation", activation, "--init", init, *more)


def mnist(name, **keys):
    """MNIST 784-100-100-10."""
    return Case(name, "MNIST, 784-100-100-10 relu", "mnist", mlp("100,100", "relu", "kaiming"), **keys)


def deep(name, hidden, activation, init, seconds):
    """A narrow deep network on the digits, raced to 1e-5."""
    return Case(
        name,
        f"digits, {hidden} {activation}, {init}",
        "digits",
        mlp(hidden, activation, init),
        (FULL, 128),
        (0.1, 0.01, 1e-3, 1e-5),
        seconds=seconds,
        is_race=True,
    )


def fashion(activation):
    """Twenty layers on part of Fashion-MNIST."""
    init = "kaiming" if activation == "sigmoid" else "orthogonal"
    return Case(
        f"fashion20-{activation}",
        f"Fashion-MNIST, 5,000 images, 64x20 {activation}, {init}",
        "fashion-mnist",
        mlp("64x20", activation, init, "--limit", "5000"),
        (FULL, 128),
        (0.5, 0.1, 0.01),
        seconds=40,
    )


def cnn(name, title, dataset, limit, seconds):
    """The convolutional network of `layersep`."""
    return Case(
        name,
        f"{title}, {limit:,} images, cnn relu",
        dataset,
        ("--model", "cnn", "--limit", str(limit)),
        (FULL, 128),
        (0.5, 0.1),
        seconds=seconds,
        is_race=True,
    )


ALL = [
    deep("digits", "128,128", "relu", "kaiming", 5),
    deep("sigmoid10", "64x10", "sigmoid", "kaiming", 12),
    deep("relu30", "64x30", "relu", "orthogonal", 15),
    deep("tanh30", "64x30", "tanh", "orthogonal", 15),
    mnist("mnist-full", batches=(FULL,), thresholds=(0.1, 0.02, 0.005, 1e-3, 1e-5), seconds=30),
    mnist("mnist-batches", batches=(250,), thresholds=(0.1, 0.05, 0.02, 0.005, 1e-3, 1e-4), epochs=8),
    *[fashion(activation) for activation in ("relu", "tanh", "gelu", "sigmoid")],
    Case(
        "wide",
        "MNIST, 20,000 images, 1024x3 relu",
        "mnist",
        mlp("1024x3", "relu", "kaiming", "--limit", "20000"),
        (FULL, 250),
        (0.1, 0.01),
        seconds=120,
        is_race=True,
    ),
    cnn("cnn-mnist", "MNIST", "mnist", 3000, 60),
    cnn("cnn-cifar", "CIFAR-10", "cifar10", 5000, 120),
]


def named(name):
    """Returns the case of a name, or all whose names begin with it and a hyphen; none where there are no such cases."""
    return [case for case in ALL if case.name == name] or [case for case in ALL if case.name.startswith(f"{name}-")]


def quick(case):
    """Returns a case with a budget that only shows that everything runs."""
    epochs = case.epochs and 1
    return replace(case, seconds=case.seconds and 0.5, epochs=epochs)


def with_seconds(case, seconds):
    """Returns a case with other seconds of training."""
    return replace(case, seconds=seconds)
