"""The machine and the versions that figures belong to."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("torch", "pytorch-optimizer", "isaac", "locoprop", "numpy")


def cores():
    """Returns the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def machine(threads):
    """Describes the machine."""
    return {"processor": processor(), "cores": cores(), "threads": threads, "system": platform.platform()}


def processor():
    """Returns the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions(layersep, root):
    """Returns the versions of all programs and packages, and the commit of the clone."""
    found = {"layersep": layersep.call("--version").split()[-1]}
    commit = subprocess.run(["git", "-C", root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    if commit.returncode == 0:
        found["commit"] = commit.stdout.strip()
    return {**found, "python": platform.python_version(), **{package: version(package) for package in PACKAGES}}
