#!/usr/bin/env python3
"""Times sweeps of `exact` on devices, and Adam steps of PyTorch on the same network; prints Markdown tables.

usage: device_benchmark.py --data-dir MNIST_FOLDER [--devices flex cuda:0 cuda:0,cuda:1] [--binary PATH | --features wgpu,cuda]

On a machine with a GPU, from a checkout, one command builds the program, finds the devices and measures:

    python3 scripts/device_benchmark.py --features wgpu,cuda --data-dir DIR

Without `--binary` the program is built with cargo. PyTorch is measured where it is installed. The share of matrix products
is that of the kernels' own times as CubeCL logs them, in a run of its own since logging slows it down; on the CPU it is
that of the samples of `perf`, where it is installed.
"""

import argparse
import csv
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time

# The first sweeps of a device compile and tune its kernels.
WARM_UP = 2

# Names of matrix products among the kernels of CubeCL and the functions of the gemm crate.
PRODUCT = re.compile("matmul|gemm|gemv", re.IGNORECASE)

SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, type=pathlib.Path, help="folder with the four files of MNIST")
    parser.add_argument("--devices", nargs="+", help="names as --device takes them, also lists with commas; by default all that are present")
    parser.add_argument("--binary", type=pathlib.Path, help="layersep; by default it is built")
    parser.add_argument("--features", default="wgpu", help="features to build with")
    parser.add_argument("--hidden", default="1024x4")
    parser.add_argument("--sweeps", type=int, default=8, help="of every timed run")
    parser.add_argument("--limit", type=int, help="use so many samples of a split only")
    parser.add_argument("--batches", default="500,0", help="batch sizes of Adam; 0 is the full batch")
    args = parser.parse_args()
    if args.sweeps <= WARM_UP:
        parser.error(f"--sweeps is {args.sweeps}; it must be above {WARM_UP}, the sweeps that are not counted")
    return args


def build(features):
    root = pathlib.Path(__file__).resolve().parent.parent
    command = ["cargo", "build", "--release", "--locked", "--features", features, "--message-format", "json-render-diagnostics"]
    output = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = (json.loads(line) for line in output.splitlines())
    return pathlib.Path(next(a["executable"] for a in artifacts if a.get("executable")))


def present(binary):
    output = subprocess.run([binary, "devices", "--json"], check=True, capture_output=True, text=True).stdout
    names = [device["name"] for device in json.loads(output)["devices"]]
    # The others are these by index.
    return [name for name in names if ":" not in name]


def train(args, binary, device, folder, prefix=()):
    """Runs `exact`; returns the seconds and the trials of each sweep, and the last loss."""
    run = folder / "run"
    command = [*prefix, binary, "train", "--quiet", "--dataset", "mnist", "--data-dir", args.data_dir.resolve()]
    command += ["--hidden", args.hidden, "--method", "exact", "--device", device, "--run", run, "--overwrite"]
    command += ["--sweeps", args.sweeps, "--batch-sweeps", "0", "--checkpoint-every", "1000"]
    if args.limit:
        command += ["--limit", args.limit]
    outcome = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True)
    if outcome.returncode:
        raise SystemExit(outcome.stderr.strip())
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    elapsed = [float(row["seconds"]) for row in rows]
    trials = [int(row["accepted"]) + int(row["rejected"]) for row in rows[1:]]
    return [b - a for a, b in zip(elapsed, elapsed[1:])], trials, float(rows[-1]["train_original_loss"])


def kernel_share(args, binary, device, folder):
    """Share of matrix products in the time of all kernels, from CubeCL's own log."""
    log = folder / "kernels.log"
    settings = f'[profiling.logger]\nlevel = "basic"\nfile = "{log}"\n'
    (folder / "cubecl.toml").write_text(settings)
    train(args, binary, device, folder)
    (folder / "cubecl.toml").unlink()
    products = total = 0.0
    entry = re.compile(r"\|\s*([0-9.]+)(ns|µs|us|ms|s)\s*\|\s*(\S.*)")
    for line in log.read_text(errors="replace").splitlines():
        if match := entry.search(line):
            seconds = float(match[1]) * SECONDS[match[2]]
            total += seconds
            if PRODUCT.search(match[3]):
                products += seconds
    return products / total if total else None


def processor_share(args, binary, device, folder):
    """Share of matrix products in the samples of perf."""
    if not shutil.which("perf"):
        return None
    data = folder / "perf.data"
    train(args, binary, device, folder, ["perf", "record", "-e", "cpu-clock", "-F", "99", "-o", data])
    report = ["perf", "report", "-i", str(data), "--stdio", "--no-children", "-F", "overhead,symbol"]
    lines = subprocess.run(report, check=True, capture_output=True, text=True).stdout.splitlines()
    entries = [re.match(r"\s*([0-9.]+)%\s+(.*)", line) for line in lines]
    return sum(float(e[1]) for e in entries if e and PRODUCT.search(e[2])) / 100


def share_of_products(args, binary, device, folder):
    """Share of matrix products in the time of a device; None for a list of several."""
    if "," in device:
        return None
    on_cpu = device in ("flex", "ndarray")
    return (processor_share if on_cpu else kernel_share)(args, binary, device, folder)


def adam_steps(args, device):
    """Batch sizes with the median seconds of an Adam step of PyTorch."""
    import torch

    width, count = map(int, args.hidden.split("x"))
    samples = args.limit or 60_000
    sizes = [784] + [width] * count
    for batch in map(int, args.batches.split(",")):
        torch.manual_seed(1)
        layers = []
        for d_in, d_out in zip(sizes, sizes[1:]):
            layers += [torch.nn.Linear(d_in, d_out), torch.nn.ReLU()]
        network = torch.nn.Sequential(*layers, torch.nn.Linear(width, 10)).to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        inputs = torch.randn(batch or samples, 784, device=device)
        labels = torch.randint(10, (batch or samples,), device=device)
        wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
        seconds = []
        for _ in range(5 + (50 if batch else 10)):
            wait()
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(network(inputs), labels).backward()
            optimizer.step()
            wait()
            seconds.append(time.perf_counter() - start)
        yield batch or samples, statistics.median(seconds[5:])


def main():
    args = arguments()
    binary = (args.binary or build(args.features)).resolve()
    devices = args.devices or present(binary)
    print(f"`exact`, full batch, {args.hidden}, {args.limit or 60_000} samples; median of {args.sweeps - WARM_UP} sweeps\n")
    print("| device | sweeps per second | trials per sweep | first sweep, s | original loss at the end | share of matrix products |")
    print("| --- | --- | --- | --- | --- | --- |")
    for device in devices:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            seconds, trials, loss = train(args, binary, device, folder)
            share = share_of_products(args, binary, device, folder)
        rate = 1 / statistics.median(seconds[WARM_UP:])
        tried = statistics.mean(trials[WARM_UP:])
        share = "-" if share is None else f"{100 * share:.0f} %"
        print(f"| {device} | {rate:.3g} | {tried:.1f} | {seconds[0]:.2f} | {loss:.3g} | {share} |", flush=True)
    try:
        import torch
    except ImportError:
        print("\nPyTorch is not installed: no Adam steps.")
        return
    print("\nPyTorch, one step of Adam, same network; median of 50 steps, of 10 in full batch\n")
    print("| device | batch | steps per second |")
    print("| --- | --- | --- |")
    for device in ["cuda"] * torch.cuda.is_available() + ["cpu"]:
        name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
        for batch, seconds in adam_steps(args, device):
            print(f"| {name} | {batch} | {1 / seconds:.3g} |", flush=True)


if __name__ == "__main__":
    main()
