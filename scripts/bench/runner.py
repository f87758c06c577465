"""Single runs: of a rival in this process, and of a contender of ours as a program."""

import csv
import json
import math
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from cases import FULL
from failure import Failure
from network import Problem, measure, network

# Orders of batches that a problem holds where seconds are the budget; a longer run repeats them.
EPOCHS = 1000
# Sweeps of a run that only the clock or its target ends.
ENDLESS = 1_000_000
# Sweeps of a run that measures their seconds.
PILOT = 4
# Exit code of `layersep` after a loss that is not finite.
FAILED_ON_THE_WAY = 1
# A run has diverged once its loss exceeds this multiple of the first.
BLOWN_UP = 20
# Relative difference that the first losses of both sides may have: roundings of f32 on different paths.
TOLERANCE = 1e-5


@dataclass
class Run:
    """The history of a run: seconds of training, training loss and test accuracy, at first and after every epoch."""

    rows: list[tuple[float, float, float]]
    # Whether the contender gave up on numbers that are not finite.
    has_failed: bool = False

    @property
    def seconds(self):
        """Seconds of training."""
        return self.rows[-1][0]

    @property
    def epochs(self):
        """Epochs of training."""
        return len(self.rows) - 1

    @property
    def loss(self):
        """Training loss at the end; infinite where the run has diverged, to a loss that is not finite or above the first."""
        last = self.rows[-1][1]
        return last if last <= self.rows[0][1] and not self.has_failed else math.inf

    @property
    def accuracy(self):
        """Test accuracy at the end."""
        return self.rows[-1][2]

    def seconds_to(self, loss):
        """Returns the seconds of training until the end of the first epoch with at most a loss; infinite where there is none."""
        return next((row[0] for row in self.rows if row[1] <= loss), math.inf)

    def score(self, case):
        """Returns what rivals are tuned by, lower being better: in a race the seconds to the target, then the loss at the end."""
        return (self.seconds_to(case.target) if case.target else 0.0, self.loss)


def run_rival(entry, setting, case, problem, most=math.inf):
    """Trains a rival with a setting, for so many seconds at most. Only its steps count as seconds, not the measurements."""
    is_full = entry.batch == FULL
    size = len(problem.tensors["train.labels"]) if is_full else entry.batch
    trainer = entry.rival.make(problem, setting, size)
    run = Run([(0.0, *figures(trainer.model, problem))])
    limit = run.rows[0][1] * BLOWN_UP
    seconds, done, total = 0.0, 0, problem.steps(is_full) * (case.epochs or 0)
    while not is_over(case, run) and run.seconds < most and not getattr(trainer, "is_stuck", False):
        started = time.perf_counter()
        try:
            for inputs, labels in problem.batches(run.epochs, is_full):
                if entry.is_linear:
                    trainer.scale(1 - done / total)
                trainer.step(inputs, labels)
                done += 1
        except torch.linalg.LinAlgError:
            # Decompositions refuse numbers that are not finite.
            run.has_failed = True
        seconds += time.perf_counter() - started
        run.rows.append((seconds, *figures(trainer.model, problem)))
        if run.has_failed or not run.rows[-1][1] < limit:
            break
    return run


def warm_up(entry, setting, problem):
    """Makes one step that is not counted: the first one of a kind in a process loads libraries and starts threads."""
    inputs, labels = next(problem.batches(0, entry.batch == FULL))
    entry.rival.make(problem, setting, len(labels)).step(inputs, labels)


def figures(model, problem):
    """Returns training loss and test accuracy."""
    model.eval()
    loss, _ = measure(model, *problem.split("train"))
    _, accuracy = measure(model, *problem.split("test"))
    model.train()
    return loss, accuracy


def is_over(case, run):
    """Tells whether a run has used up its budget or reached its target."""
    if case.epochs and run.epochs >= case.epochs:
        return True
    if case.seconds and run.seconds >= case.seconds:
        return True
    return case.target is not None and run.rows[-1][1] <= case.target


@dataclass(frozen=True)
class Own:
    """A method of ours in a case."""

    method: str
    batch: str | int

    @property
    def name(self):
        """Name for tables and options."""
        return f"{self.method}@{self.batch}"


def own_entries(case):
    """Returns our contenders of a case."""
    return [Own("exact" if batch == FULL else "foof", batch) for batch in case.batches]


class ProgramFailure(Failure):
    """A failure of the program, with its exit code."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code


class Layersep:
    """The program `layersep`, its data and its threads."""

    def __init__(self, program, data, threads, folder):
        self.program = program
        self.data = data
        self.threads = threads
        self.folder = Path(folder)

    def call(self, *arguments):
        """Runs the program. Its own line says what went wrong."""
        environment = {**os.environ, "RAYON_NUM_THREADS": str(self.threads)}
        command = [str(self.program), *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")] or [f"exit code {done.returncode}"]
            reason = lines[0].removeprefix("error: ")
            raise ProgramFailure(done.returncode, f"`layersep {arguments[0]}` failed: {reason}")
        return done.stdout

    def options(self, case, batch, seed):
        """Returns the options that describe a run of a case."""
        data = self.data.get(case.dataset)
        folder = ["--data-dir", data] if data else []
        return ["--dataset", case.dataset, *folder, *case.options, "--batch-size", batch, "--seed", seed]

    def problem(self, case, seed):
        """Writes and reads what the runs of a seed start from."""
        path = self.folder / "problem.safetensors"
        epochs = case.epochs or EPOCHS
        options = self.options(case, case.batch_size, seed)
        self.call("problem", *options, "--epochs", epochs, "--output", path, "--overwrite")
        problem = Problem.read(path)
        path.unlink()
        return problem

    def train(self, own, case, seed):
        """Trains a contender of ours."""
        options = ["--method", own.method, *self.options(case, own.batch, seed)]
        budget = self.sweeps(own, case, options)
        if case.seconds:
            budget += ["--time-limit", case.seconds]
        if case.target:
            budget += ["--target-loss", case.target]
        rows, has_failed = self.history([*options, *budget])
        columns = ("seconds", "train_original_loss", "test_accuracy")
        return Run([tuple(row[column] for column in columns) for row in rows], has_failed)

    def sweeps(self, own, case, options):
        """Returns the options of a run's length. Steps of `foof` fall over it: in a race it is the default, else what fits into the time."""
        if case.epochs:
            return ["--sweeps", case.epochs]
        if own.method != "foof":
            return ["--sweeps", ENDLESS]
        if case.is_race:
            return []
        rows, _ = self.history([*options, "--sweeps", PILOT])
        # The first sweep may be another one.
        each = (rows[PILOT]["seconds"] - rows[1]["seconds"]) / (PILOT - 1)
        return ["--sweeps", max(1, int(case.seconds / each))]

    def first_losses(self, case, seed):
        """Returns training and test loss before the first sweep."""
        # The cheapest sweep: one gradient step.
        method = ["--method", "backprop", "--sweeps", 1]
        rows, _ = self.history([*method, *self.options(case, FULL, seed)])
        return rows[0]["train_original_loss"], rows[0]["test_original_loss"]

    def history(self, arguments):
        """Runs `layersep train`, and returns the rows of its history and whether it failed on the way."""
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        has_failed = False
        try:
            self.call("train", *arguments, "--run", run, "--quiet", "--dashboard", "none")
        except ProgramFailure as failure:
            # A loss that is not finite is a result.
            if failure.code != FAILED_ON_THE_WAY or not (run / "history.csv").exists():
                raise
            has_failed = True
        rows = read_history(run / "history.csv")
        shutil.rmtree(run)
        return rows, has_failed


def read_history(path):
    """Reads the losses, accuracies and seconds of a `history.csv`; lines that begin with # define its columns."""
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    columns = ("seconds", "train_original_loss", "test_original_loss", "test_accuracy")
    return [{column: float(row[column]) for column in columns} for row in rows]


def ensure_same_start(layersep, case, seed, problem):
    """Refuses a comparison whose sides do not start from the same losses."""
    model = network(problem)
    found = [measure(model, *problem.split(split))[0] for split in ("train", "test")]
    for split, ours, theirs in zip(("training", "test"), layersep.first_losses(case, seed), found):
        if not math.isclose(ours, theirs, rel_tol=TOLERANCE):
            raise Failure(f"{case.name}, seed {seed}: the first {split} loss is {ours!r} in layersep and {theirs!r} in PyTorch")


def data_sets_of(layersep):
    """Returns the data sets that `layersep` finds without being told where."""
    listed = json.loads(layersep.call("data", "list", "--json"))
    return {entry["name"]: None for entry in listed if entry["cached"] or entry["from"] == "embedded"}
