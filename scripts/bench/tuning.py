"""The search for the setting of a rival: a grid that is widened until the best setting lies inside."""

from dataclasses import dataclass

# Positions that an axis may be widened by, on either side.
WIDEST = 10


@dataclass(frozen=True)
class Axis:
    """A setting with the values that are tried."""

    name: str
    # Positions of the first values: value(position) is 1, 3, 10, 30, … times a power of ten. For fixed values the values themselves.
    start: tuple[int, ...]
    # Positions from one value to the next: 1 for half a decade, 2 for a decade; 0 for fixed values.
    stride: int = 1

    def value(self, position):
        """Returns the value at a position."""
        if not self.stride:
            return position
        return float(f"{1 if position % 2 == 0 else 3}e{position // 2}")

    def neighbours(self, position, widest):
        """Returns the positions on both sides of one, as far as the axis may be widened."""
        if not self.stride:
            return []
        low, high = self.start[0] - widest * self.stride, self.start[-1] + widest * self.stride
        return [at for at in (position - self.stride, position + self.stride) if low <= at <= high]


def rates(name, *values, stride=1):
    """Makes an axis from values 1eN and 3eN."""
    positions = []
    for value in values:
        digits, exponent = f"{value:.0e}".split("e")
        positions.append(2 * int(exponent) + (digits == "3"))
    return Axis(name, tuple(positions), stride)


def choices(name, *values):
    """Makes an axis of fixed values."""
    return Axis(name, values, stride=0)


def tune(axes, score, widest=WIDEST):
    """Returns the setting with the lowest score, and all settings that were tried with their scores.

    First the start values of each axis are tried, with the others at the best so far; then the neighbours of the best setting on every
    axis, until none is better. `score` takes a setting, a table of names and values, and returns numbers that compare; a setting that
    diverged has infinite ones. Of equal ones lower values win, since it is large ones that diverge.

    >>> rate = rates("rate", 0.01, 0.03, 0.1)
    >>> best, tried = tune([rate], lambda setting: abs(setting["rate"] - 1))
    >>> best, [setting["rate"] for setting, _ in tried]
    ({'rate': 1.0}, [0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
    >>> tune([rate], lambda setting: float("inf") if setting["rate"] > 1e-4 else 1 / setting["rate"])[0]
    {'rate': 0.0001}
    >>> tune([rate, choices("history", 5, 10)], lambda setting: setting["rate"] / setting["history"], widest=0)[0]
    {'rate': 0.01, 'history': 10}
    """
    tried = {}

    def visit(positions):
        if positions not in tried:
            tried[positions] = score(setting(axes, positions))

    best = tuple(axis.start[len(axis.start) // 2] for axis in axes)
    for index, axis in enumerate(axes):
        for start in axis.start:
            visit(replaced(best, index, start))
        best = least(tried)
    while True:
        around = [
            replaced(best, index, position)
            for index, axis in enumerate(axes)
            for position in axis.neighbours(best[index], widest)
        ]
        if widest == 0 or all(positions in tried for positions in around):
            break
        for positions in around:
            visit(positions)
        best = least(tried)
    return setting(axes, best), [(setting(axes, positions), found) for positions, found in tried.items()]


def setting(axes, positions):
    """Returns the table of names and values at positions."""
    return {axis.name: axis.value(position) for axis, position in zip(axes, positions)}


def replaced(positions, index, position):
    """Returns positions with another one at an index."""
    return (*positions[:index], position, *positions[index + 1 :])


def least(tried):
    """Returns the positions with the lowest score."""
    return min(tried, key=lambda positions: (tried[positions], positions))
