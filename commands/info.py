"""`polyfield info`: what is installed, or what is in some data or a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polyfield.commands.arguments import parse
from polyfield.commands.hydra_job import execute, job
from polyfield.commands.text import facts, plain, size

HELP = """\
polyfield info: what is installed, or what is in some data or a run

usage: polyfield info [data=PATH] [run=RUN]

  data=PATH              how a folder or file of photos is read: format, cameras, splits, scale;
                         or what is in a picture, a mesh, a file of Gaussians ...
  dataset.KEY=VALUE      as for `polyfield train`: downscale, split, background
  run=RUN                what was trained, how far, its scores and its size

Without either: versions, machine, threads, and which kernels and fields are live.

examples:
  polyfield info
  polyfield info data=photos
  polyfield info data=photos dataset.split=every:4
  polyfield info data=mesh.obj
  polyfield info run=runs/first
"""


def main(words: list[str]) -> None:
    """Run `polyfield info WORDS...`."""
    execute("info", run, parse(words))


@job
def run(config: dict[str, Any]) -> None:
    """Print what is asked for."""
    if config["data"] is not None:
        print(facts(describe_data(config)))
    if config["run"] is not None:
        print(facts(describe_run(Path(config["run"]))))
    if config["data"] is None and config["run"] is None:
        from polyfield.commands.installation import installation

        print(facts(installation()))


def describe_data(config: dict[str, Any]) -> dict[str, Any]:
    """Facts of a scene, of another signal or of Gaussians: by `dataset` or the data's name."""
    from polyfield.datasets.describe import describe
    from polyfield.datasets.load import load_scene
    from polyfield.datasets.signals import SIGNALS, kind_of, load_signal
    from polyfield.splats.formats import describe as describe_splats
    from polyfield.splats.formats import is_splats

    settings = dict(config["dataset"])
    path = settings.pop("path")
    if settings["format"] == "auto" and is_splats(Path(path)):
        return describe_splats(Path(path))
    kind = settings["format"] if settings["format"] in SIGNALS else kind_of(Path(path))
    if kind is None:
        return describe(load_scene(path, **settings))
    options = settings if settings.pop("format") == kind else {}
    signal = load_signal(path, kind, **options)
    tasks = " or ".join(f"task={name}" for name in SIGNALS[kind].tasks)
    return {**signal.describe(), "learned with": tasks}


def describe_run(run: Path) -> dict[str, Any]:
    """Facts of a run: what was trained on what, how far, and how well."""
    from polyfield.commands.scores import read_scores, summary
    from polyfield.training import checkpoint
    from polyfield.training.runs import read_config

    config = read_config(run)
    steps = {}
    for step, path in checkpoint.listing(run).items():
        state = checkpoint.read_state(path)
        score = state.get("score")
        steps[f"step {step}"] = f"{state['elapsed']:.1f} s" + (f", {score:.4g}" if score else "")
    scores = read_scores(run)
    files = [path.stat().st_size for path in run.rglob("*") if path.is_file()]
    return {
        "run": run,
        "data": config.get("data"),
        "task": (config.get("task") or {}).get("name", "radiance"),
        "field": _target(config.get("field")),
        "renderer": _target(config.get("renderer")),
        "budget": _budget(config.get("trainer") or {}),
        "checkpoints": steps,
        "scored": summary(scores) if scores else "not yet (polyfield eval)",
        "size": size(sum(files)),
        "configuration": run / "config.yaml",
    }


def _target(node: Any) -> str | None:
    """`HashGrid levels=8 ...` of a node of the configuration."""
    if not isinstance(node, dict):
        return None
    name = str(node.get("_target_", "")).rpartition(".")[2]
    left_out = (str(node.get("_target_")), None)
    settings = {k: v for k, v in node.items() if v not in left_out and not isinstance(v, dict)}
    return " ".join([name, *(f"{key}={plain(value)}" for key, value in settings.items())])


def _budget(trainer: dict[str, Any]) -> str:
    bounds = {"steps": trainer.get("max_steps"), "s": trainer.get("max_seconds")}
    return " or ".join(f"{value:g} {unit}" for unit, value in bounds.items() if value) or "none"
