"""Compares layersep with optimizers in PyTorch on the same data, initial weights and batches.

Every rival's rates are swept on a seed of their own, then all contenders run in turn from the weights of each seed. The seconds are those
of training alone, on both sides, with the same number of threads. The results are a table in Markdown and a file in JSON.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cases
from failure import Failure
from machine import cores, machine, versions

ROOT = Path(__file__).resolve().parents[2]
# Rates are chosen on a seed that no result comes from.
TUNING_SEED = 0
# Folders of a data set below --data-dir.
FOLDERS = {"mnist": ("mnist",), "fashion-mnist": ("fashion-mnist",), "cifar10": ("cifar10", "cifar-10")}


def arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="rivals.sh", description=__doc__.splitlines()[0])

    def option(name, about, **settings):
        parser.add_argument(name, help=about, **settings)

    names = ", ".join(case.name for case in cases.ALL)
    about = "cases, or the part of their names before a hyphen [default: all that have data]: "
    option("cases", about + names, nargs="*", metavar="CASE")
    about = "folder with the folders mnist, fashion-mnist and cifar10 [default: those of `layersep data download`]"
    option("--data-dir", about, type=Path, metavar="DIR")
    option("--seeds", "run the seeds 1 to N [default: 3]", type=whole, default=3, metavar="N")
    about = "seconds of training in place of each case's own; with epochs as the budget, a limit besides"
    option("--seconds", about, type=positive, metavar="S")
    about = "only contenders whose names begin so, such as exact, adam or lbfgs; may be repeated"
    option("--only", about, action="append", metavar="PREFIX")
    option("--threads", "threads of both sides [default: all cores]", type=whole, default=cores(), metavar="N")
    option("--layersep", "the program [default: built from this clone in release mode]", type=Path, metavar="PATH")
    about = "folder for rivals.md and rivals.json, which are replaced [default: rivals]"
    option("--output", about, type=Path, default=Path("rivals"), metavar="DIR")
    about = "keep the cases that an earlier command has completed in --output, and run the others"
    option("--resume", about, action="store_true")
    option("--quick", "one seed and tiny budgets, to see that everything runs", action="store_true")
    # The shell script takes it; here it stands for the help.
    about = "a Python with the packages of requirements.txt [default: a virtual environment is made]"
    option("--python", about, metavar="PYTHON")
    return parser.parse_args()


def whole(text):
    """Reads a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def positive(text):
    """Reads a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def progress(text):
    """Writes a line on standard error."""
    print(text, file=sys.stderr, flush=True)


def chosen_cases(options, data):
    """Returns the cases to run; without names, all whose data were found."""
    chosen = []
    for name in options.cases:
        named = cases.named(name)
        if not named:
            raise Failure(f"there is no case {name}; the cases are {', '.join(case.name for case in cases.ALL)}")
        chosen += named
    for case in chosen:
        if case.dataset not in data:
            way = f"name its folder with --data-dir, or run `layersep data download {case.dataset}`"
            raise Failure(f"{case.name} needs {case.dataset}; {way}")
    if not chosen:
        chosen = [case for case in cases.ALL if case.dataset in data]
        for case in cases.ALL:
            if case not in chosen:
                progress(f"{case.name} is left out: there is no {case.dataset}")
    return [adapted(case, options) for case in chosen]


def adapted(case, options):
    """Returns a case with the budget that the options ask for."""
    if options.quick:
        case = cases.quick(case)
    return cases.with_seconds(case, options.seconds) if options.seconds else case


def data_folders(options, layersep):
    """Returns the folders of all data sets that are there; None for one that `layersep` finds itself."""
    from runner import data_sets_of

    if options.data_dir is None:
        return data_sets_of(layersep)
    if not options.data_dir.is_dir():
        raise Failure(f"there is no folder {options.data_dir}")
    found = {"digits": None}
    for name, folders in FOLDERS.items():
        there = [options.data_dir / folder for folder in folders if (options.data_dir / folder).is_dir()]
        if there:
            found[name] = there[0]
    return found


def warn_if_busy():
    """Says so where other programs compute: threads that wait for each other lose more than their share of the time."""
    try:
        load = os.getloadavg()[0]
    except OSError:
        return
    if load > 0.5:
        progress(f"note: other programs are running (load {load:.1f}); close them, since all figures are times")


def program(options):
    """Returns the path of `layersep`, built where none is named."""
    if options.layersep:
        if not os.access(options.layersep, os.X_OK) or options.layersep.is_dir():
            raise Failure(f"there is no program at {options.layersep}")
        return options.layersep.resolve()
    progress("cargo build --release")
    try:
        built = subprocess.run(["cargo", "build", "--release", "--workspace", "--quiet"], cwd=ROOT)
    except OSError as error:
        raise Failure(f"cargo cannot run: {error}; name the program with --layersep") from error
    if built.returncode:
        raise Failure("cargo build failed; name the program with --layersep")
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    return ROOT / target / "release" / "layersep"


def main():
    """Runs all cases; what was measured is written after each seed of each."""
    options = arguments()
    # Before PyTorch is loaded, which reads it once.
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    try:
        import torch
        import comparison
        from runner import Layersep
        import table
    except ImportError as error:
        raise Failure(f"{error}; install the packages of scripts/bench/requirements.txt") from error
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(prefix="layersep-rivals-") as folder:
        layersep = Layersep(program(options), {}, options.threads, folder)
        layersep.data = data_folders(options, layersep)
        warn_if_busy()
        seeds = [1] if options.quick else list(range(1, options.seeds + 1))
        results = {
            "machine": machine(options.threads),
            "versions": versions(layersep, ROOT),
            "seeds": seeds,
            "tuning_seed": TUNING_SEED,
            "options": {"only": options.only, "seconds": options.seconds, "quick": options.quick},
            "cases": [],
        }
        chosen = chosen_cases(options, layersep.data)
        if options.resume:
            results["cases"] = table.completed(options.output, results)
            kept = {case["name"] for case in results["cases"]}
            chosen = [case for case in chosen if case.name not in kept]
        selection = comparison.Selection(options.only or [""], seeds, TUNING_SEED, options.quick)
        options.output.mkdir(parents=True, exist_ok=True)
        for case in chosen:
            done = results["cases"]
            for found in comparison.compare(layersep, case, selection, progress):
                results["cases"] = [*done, found]
                table.write(results, options.output)
    print((options.output / "rivals.md").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError) as failure:
        sys.stderr.write(f"error: {failure}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
