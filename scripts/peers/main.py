"""Compares methods of neighbouring work with their peers: libraries of others that train by the same method.

Both sides start from the same weights and see the same data in the same batches, seed by seed. Local losses are those of `locoprop`,
predictive coding is that of FabricPC, each with the library's own code. The table shows training loss and test accuracy of every seed.

    python3 scripts/peers/main.py --dataset mnist --data-dir DIR --layersep PATH
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

import fabric
import local_losses
from failure import Failure
from network import Problem, measure, network

PEERS = [local_losses.PEER, *fabric.PEERS]


def arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layersep", help="the program", type=Path, required=True, metavar="PATH")
    parser.add_argument("--dataset", help="data set [default: digits]", default="digits")
    parser.add_argument("--data-dir", help="its folder", type=Path, metavar="DIR")
    parser.add_argument("--hidden", help="widths of the hidden layers [default: 100,100]", default="100,100")
    parser.add_argument("--epochs", help="epochs of every run [default: 3]", type=int, default=3, metavar="N")
    parser.add_argument("--seeds", help="run the seeds 1 to N [default: 3]", type=int, default=3, metavar="N")
    names = ", ".join(peer.name for peer in PEERS)
    parser.add_argument("--only", help=f"one of: {names}", choices=[peer.name for peer in PEERS])
    return parser.parse_args()


def call(program, *words):
    """Runs a command of ours."""
    done = subprocess.run([program, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(done.stderr.strip().splitlines()[-1])


def own(options, peer, common, folder):
    """Trains with our program; returns training loss and test accuracy."""
    call(options.layersep, "train", *common, *peer.options, "--quiet", "--run", folder)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return summary["train"]["original_loss"], summary["test"]["accuracy"]


def theirs(options, peer, common, file):
    """Trains with the library of others; returns the same."""
    call(options.layersep, "problem", *common, "--output", file)
    problem = Problem.read(file)
    model = network(problem)
    peer.train(model, problem, options.epochs)
    loss, _ = measure(model, *problem.split("train"))
    _, accuracy = measure(model, *problem.split("test"))
    return loss, accuracy


def compare(options, peer, folder):
    """Runs both sides over all seeds; returns a row of the table."""
    sides = [[], []]
    for seed in range(1, options.seeds + 1):
        common = ["--dataset", options.dataset, "--hidden", options.hidden, "--seed", str(seed)]
        common += ["--sweeps", str(options.epochs), "--batch-size", str(peer.batch)]
        if options.data_dir:
            common += ["--data-dir", str(options.data_dir)]
        sides[0].append(own(options, peer, common, folder / f"{peer.name}-{seed}"))
        sides[1].append(theirs(options, peer, common, folder / f"{peer.name}-{seed}.safetensors"))
        print(f"{peer.name}, seed {seed}: {sides[0][-1]} here, {sides[1][-1]} there", file=sys.stderr, flush=True)
    return f"| {peer.name} | {peer.library} | " + " | ".join(cell(side) for side in sides) + " |"


def cell(results):
    """Returns the mean of losses and accuracies with their ranges."""
    losses, accuracies = zip(*results)
    loss = f"{statistics.mean(losses):.4g} ({min(losses):.4g} to {max(losses):.4g})"
    accuracy = f"{100 * statistics.mean(accuracies):.2f} ({100 * min(accuracies):.2f} to {100 * max(accuracies):.2f})"
    return f"{loss} | {accuracy}"


def main():
    """Prints the table."""
    options = arguments()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for peer in PEERS:
            if options.only in (None, peer.name):
                rows.append(compare(options, peer, Path(folder)))
    print("| method | library | loss here | test % here | loss there | test % there |")
    print("| --- | --- | --- | --- | --- | --- |")
    print("\n".join(rows))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
