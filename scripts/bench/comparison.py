"""The comparison of all contenders in one case."""

import math
from dataclasses import dataclass

import rivals
import table
from failure import Failure
from runner import ensure_same_start, own_entries, run_rival, warm_up
from tuning import WIDEST, tune


@dataclass(frozen=True)
class Selection:
    """Which contenders run from which seeds."""

    # Beginnings of the names of contenders.
    prefixes: list[str]
    seeds: list[int]
    tuning_seed: int
    # Whether the grid of settings stays as small as it begins.
    is_quick: bool

    def has(self, name):
        """Tells whether a contender takes part."""
        return any(name.startswith(prefix) for prefix in self.prefixes)


def compare(layersep, case, selection, progress):
    """Tunes the rivals of a case, then runs all contenders in turn from each seed. Yields a JSON object after each seed."""
    own = [entry for entry in own_entries(case) if selection.has(entry.name)]
    others = [entry for entry in rivals.entries(case) if selection.has(entry.name)]
    if not own + others:
        raise Failure(f"no contender of {case.name} begins with {' or '.join(selection.prefixes)}")
    tuned = tune_all(layersep, case, others, selection, progress)
    runs = {entry.name: {} for entry in own + others}
    for seed in selection.seeds:
        problem = same_start(layersep, case, seed)
        for entry in own:
            runs[entry.name][seed] = layersep.train(entry, case, seed)
            progress(f"{case.name}, seed {seed}: {described(entry.name, {}, runs[entry.name][seed], case)}")
        for entry in others:
            setting, _ = tuned[entry.name]
            runs[entry.name][seed] = run_rival(entry, setting, case, problem)
            progress(f"{case.name}, seed {seed}: {described(entry.name, setting, runs[entry.name][seed], case)}")
        yield report(case, tuned, runs)


def report(case, tuned, runs):
    """Returns the JSON object of the runs of a case so far."""
    contenders = [table.summary(case, name, *tuned.get(name, ({}, [])), found) for name, found in runs.items()]
    return {
        "name": case.name,
        "about": case.about,
        "options": list(case.options),
        "thresholds": list(case.thresholds),
        "budget": {"seconds": case.seconds, "epochs": case.epochs, "target": case.target},
        "contenders": contenders,
    }


def same_start(layersep, case, seed):
    """Returns the problem of a seed, after a check that both sides start from the same losses."""
    problem = layersep.problem(case, seed)
    ensure_same_start(layersep, case, seed, problem)
    return problem


def tune_all(layersep, case, entries, selection, progress):
    """Returns the best setting of each rival, and all that were tried."""
    if not entries:
        return {}
    problem = same_start(layersep, case, selection.tuning_seed)
    tuned = {}
    for entry in entries:
        first = {axis.name: axis.value(axis.start[0]) for axis in entry.rival.axes}
        warm_up(entry, first, problem)
        fastest = math.inf

        def score(setting):
            nonlocal fastest
            # In a race a setting that is slower than another one cannot be the best, however its run goes on.
            run = run_rival(entry, setting, case, problem, fastest)
            progress(f"{case.name}, tuning: {described(entry.name, setting, run, case)}")
            fastest = min(fastest, run.seconds_to(case.target) if case.target else math.inf)
            return run.score(case)

        tuned[entry.name] = tune(entry.rival.axes, score, 0 if selection.is_quick else WIDEST)
    return tuned


def described(name, setting, run, case):
    """Describes a run in one line."""
    values = "".join(f", {key} {value:g}" for key, value in setting.items())
    loss = f"loss {run.loss:.3e}" if math.isfinite(run.loss) else "diverged"
    reached = [f"{loss:g} in {run.seconds_to(loss):.2f} s" for loss in case.thresholds if run.seconds_to(loss) < math.inf]
    return f"{name}{values}: {loss} after {run.seconds:.1f} s, {run.epochs} epochs; {', '.join(reached) or 'no threshold'}"
