"""L-BFGS with a line search for the strong Wolfe conditions, one iteration per call."""

import torch
from torch.nn import functional
from torch.optim.lbfgs import _strong_wolfe

# Pairs with less curvature than this, relative to the change of the gradient, are left out.
LEAST_CURVATURE = 1e-10
# Evaluations of one line search.
TRIALS = 25


class Lbfgs:
    """Steps over the whole split that keep the memory and the last evaluation.

    `torch.optim.LBFGS` evaluates its starting point anew in every call, and gives up at absolute tolerances that losses near 1e-5 fall
    below. Here a point is evaluated once, and the search ends only when steepest descent finds no lower loss either.
    """

    def __init__(self, model, history):
        self.model = model
        self.parameters = list(model.parameters())
        self.history = history
        self.pairs = []
        self.point = torch.cat([p.detach().reshape(-1) for p in self.parameters])
        self.loss = self.gradient = None
        self.is_stuck = False

    def step(self, inputs, labels):
        """Makes one iteration."""
        if self.is_stuck:
            return
        evaluate = lambda point, length, direction: self.evaluate(point + length * direction, inputs, labels)
        if self.gradient is None:
            self.loss, self.gradient = self.evaluate(self.point, inputs, labels)
        direction, slope = self.direction()
        length = 1.0 if self.pairs else min(1.0, 1 / self.gradient.abs().sum().item())
        start = (self.point, length, direction, self.loss, self.gradient, slope)
        loss, gradient, length, _ = _strong_wolfe(evaluate, *start, max_ls=TRIALS)
        if loss < self.loss:
            self.accept(self.point + length * direction, loss, gradient)
        else:
            self.is_stuck = not self.pairs
            self.pairs.clear()
        self.place(self.point)

    def direction(self):
        """Returns the quasi-Newton direction and the slope along it; those of steepest descent where it does not lead down."""
        direction = -self.times_inverse_hessian(self.gradient)
        slope = direction.dot(self.gradient)
        if not slope < 0:
            self.pairs.clear()
            direction = -self.gradient
            slope = direction.dot(self.gradient)
        return direction, slope

    def times_inverse_hessian(self, vector):
        """Multiplies by the inverse Hessian that the pairs stand for, by two loops over them."""
        vector = vector.clone()
        factors = []
        for move, change, curvature in reversed(self.pairs):
            factors.append(move.dot(vector) / curvature)
            vector -= factors[-1] * change
        if self.pairs:
            _, change, curvature = self.pairs[-1]
            vector *= curvature / change.dot(change)
        for (move, change, curvature), factor in zip(self.pairs, reversed(factors)):
            vector += (factor - change.dot(vector) / curvature) * move
        return vector

    def accept(self, point, loss, gradient):
        """Moves to a point, and remembers the pair of moves and changes."""
        move, change = point - self.point, gradient - self.gradient
        curvature = move.dot(change)
        if curvature > LEAST_CURVATURE * change.dot(change):
            self.pairs = [*self.pairs, (move, change, curvature)][-self.history :]
        self.point, self.loss, self.gradient = point, loss, gradient

    def evaluate(self, point, inputs, labels):
        """Returns loss and gradient at a point."""
        self.place(point)
        self.model.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(self.model(inputs).double(), labels)
        loss.backward()
        return loss.item(), torch.cat([p.grad.reshape(-1) for p in self.parameters])

    @torch.no_grad()
    def place(self, point):
        """Gives the network the weights of a point."""
        at = 0
        for parameter in self.parameters:
            parameter.copy_(point[at : at + parameter.numel()].view_as(parameter))
            at += parameter.numel()
