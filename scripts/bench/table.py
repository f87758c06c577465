"""Tables of what was measured, as Markdown and JSON."""

import json
import math
from statistics import median

from failure import Failure


def summary(case, name, setting, tried, runs):
    """Sums up the runs of a contender as a JSON object."""
    quantities = {
        "seconds": [run.seconds for run in runs.values()],
        "epochs": [run.epochs for run in runs.values()],
        "final_loss": [run.loss for run in runs.values()],
        "test_accuracy": [run.accuracy for run in runs.values()],
    }
    reached = {f"{loss:g}": [run.seconds_to(loss) for run in runs.values()] for loss in case.thresholds}
    return {
        "name": name,
        "setting": setting,
        "tried": [attempt(case, found, score) for found, score in tried],
        "seeds": list(runs),
        "seconds_to": {loss: spread(values) for loss, values in reached.items()},
        **{quantity: spread(values) for quantity, values in quantities.items()},
    }


def attempt(case, setting, score):
    """Describes a setting that was tried."""
    seconds, loss = score
    reached = {"seconds_to_target": seconds} if case.target else {}
    return {"setting": setting, **reached, "final_loss": loss}


def spread(values):
    """Returns values with median, least and largest."""
    return {"median": median(values), "min": min(values), "max": max(values), "values": values}


def write(results, folder):
    """Writes `rivals.json` and `rivals.md`."""
    (folder / "rivals.json").write_text(json.dumps(without_infinities(results), indent=2) + "\n", encoding="utf-8")
    (folder / "rivals.md").write_text(markdown(results), encoding="utf-8")


def without_infinities(value):
    """Replaces infinite numbers, which JSON lacks, by null: a loss never reached, or that of a diverged run."""
    if isinstance(value, dict):
        return {key: without_infinities(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_infinities(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def completed(folder, results):
    """Returns the cases of a `rivals.json` that have all seeds; none where there is no such file. It must come from equal conditions."""
    path = folder / "rivals.json"
    if not path.exists():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for key in ("machine", "versions", "seeds", "tuning_seed", "options"):
            if found[key] != results[key]:
                raise Failure(f"{path} has other {key} than this command; name another folder with --output")
        cases = with_infinities(found["cases"])
        return [case for case in cases if all(one["seeds"] == results["seeds"] for one in case["contenders"])]
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{path} is no table of this program ({error!r}); name another folder with --output") from error


def with_infinities(value):
    """Replaces null by infinite numbers, the inverse of `without_infinities`."""
    if isinstance(value, dict):
        return {key: with_infinities(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_infinities(inner) for inner in value]
    return math.inf if value is None else value


def markdown(results):
    """Makes one table of all cases, with what it was measured on."""
    machine, versions = results["machine"], results["versions"]
    losses = sorted({loss for case in results["cases"] for loss in case["thresholds"]}, reverse=True)
    heads = ["case", "contender", "setting", *[f"s to {loss:g}" for loss in losses], "s", "epochs", "final loss", "test %"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f"; seeds {', '.join(map(str, results['seeds']))}, tuned on seed {results['tuning_seed']}.",
        "",
        "Medians over the seeds, with the least and the largest in brackets.",
        "",
        "| " + " | ".join(heads) + " |",
        "| " + " | ".join("---" for _ in heads) + " |",
    ]
    for case in results["cases"]:
        lines += ["| " + " | ".join(row(case, contender, losses)) + " |" for contender in case["contenders"]]
    return "\n".join(lines) + "\n"


def row(case, contender, losses):
    """Makes the cells of a contender."""
    setting = ", ".join(f"{name} {value:g}" for name, value in contender["setting"].items()) or "-"
    reached = [contender["seconds_to"].get(f"{loss:g}") for loss in losses]
    return [
        case["name"],
        contender["name"],
        setting,
        *[cell(found, "{:.2f}", "never") if found else "" for found in reached],
        cell(contender["seconds"], "{:.1f}", "-"),
        cell(contender["epochs"], "{:.0f}", "-"),
        cell(contender["final_loss"], "{:.2e}", "diverged"),
        cell(contender["test_accuracy"], "{:.2f}", "-", 100),
    ]


def cell(found, form, missing, factor=1):
    """Writes a median, and the range where there is one."""
    text = lambda value: form.format(factor * value) if math.isfinite(value) else missing
    middle, low, high = (text(found[key]) for key in ("median", "min", "max"))
    return middle if low == high else f"{middle} ({low} to {high})"
