"""LocoProp-M by the package `locoprop`, with the constants of the authors' program."""

import locoprop
from torch import nn
from torch.nn import functional

from peer import Peer

BATCH = 1000


def train(model, problem, epochs):
    """Trains a network of dense layers."""
    hidden = [locoprop.LocoLayer(stage.layer, stage.activation) for stage in model.stages[:-1]]
    # The activation that belongs to the cross-entropy; the loss takes logits.
    head = locoprop.LocoLayer(model.stages[-1].layer, nn.Softmax(dim=1), implicit=True)
    trainer = locoprop.LocopropTrainer(
        nn.Sequential(*hidden, head),
        functional.cross_entropy,
        # The package takes means over the batch where the authors' program, like ours, takes sums.
        optimizer_hparams={"lr": 1e-5, "eps": 1e-5 / BATCH, "momentum": 0.999, "alpha": 0.9},
        learning_rate=10,
        local_iterations=10,
        # Its corrections of later inputs are not in the paper.
        correction=0.0,
    )
    for epoch in range(epochs):
        for inputs, labels in problem.batches(epoch, is_full=False):
            trainer.step(inputs, labels)


PEER = Peer(
    "locoprop",
    "locoprop",
    BATCH,
    ("--method", "locoprop", "--schedule", "constant"),
    train,
)
