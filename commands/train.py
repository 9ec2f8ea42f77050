"""`polyfield train`: posed photos, or another signal, in; a run out."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.commands import backbones
from polyfield.commands.arguments import Arguments, override_key, parse, quote
from polyfield.commands.choices import shown
from polyfield.commands.errors import INTERRUPTED
from polyfield.commands.hydra_job import command_line, execute, job, overrides, sweep_number
from polyfield.commands.render import EXAMPLES
from polyfield.errors import InputError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from polyfield.training.trainer import Trainer

HELP = f"""\
polyfield train: learn a field from posed photos, or from another signal

usage: polyfield train data=PATH [key=value ...]
       polyfield train resume=RUN [trainer.max_steps=N] [trainer.max_seconds=S]

  data=PATH              a folder or file of posed photos: NeRF-synthetic, instant-ngp, nerfstudio,
                         COLMAP, LLFF, ... or `procedural`, a scene that needs no download;
                         with another task, its file
  task=radiance          {shown("task")}
  run=RUN                the folder of the run; runs/<data>-<field>-<time> by default
  resume=RUN             go on with a run that was stopped, or give it a larger budget
  trainer.max_steps=N    stop after N steps,
  trainer.max_seconds=S  after S seconds of training, or whichever is first; 300 s by default
  device=auto            auto | cpu | cuda
  seed=0                 of everything random
  dataset.downscale=auto a factor by which images shrink
  dataset.split=auto     every:8 | fraction:0.9 | file:PATH holds out what is not trained on
  dataset.background=auto  what images with alpha lie on: white | black | random | learned;
                         none drops the alpha, ignore leaves transparent pixels out
  viewer=true            watch and steer it in the browser; viewer.port=8080; viewer.share=0.2, of
                         the time at most, for pictures; viewer.keep=true to stay when it has ended
  task.depth=0.0         weight of depth maps; task.normals and task.points likewise, where the data
                         has them
  task.holdout=0.0       share of the samples of a picture, sound ... that is never trained on

groups (group=choice, then group.key=value):
  field        {shown("field")}
  renderer     {shown("renderer")}
  dataset      {shown("dataset")}
  experiment   {shown("experiment")}
  decoder      {shown("decoder")}; a field or a task chooses
  densify      {shown("densify")}: how Gaussians multiply, of field=gaussians
  trainer      {shown("trainer")}
  optimizer    {shown("optimizer")}

options:
  -m, --multirun         a sweep: `field=hash,dense` trains both, in numbered folders of the run
  --cfg job              print the whole configuration and stop
  --config-dir DIR       a folder of your own groups and choices

examples:
  polyfield train data=photos
  polyfield train data=photos run=runs/fern trainer.max_seconds=600
  polyfield train data=photos viewer=true
  polyfield train data=photos field=mlp decoder.trunk=[64,64]
  polyfield train data=photos field.levels=12 field.log2_entries=17 optimizer.lr=5e-3
  polyfield train resume=runs/fern trainer.max_seconds=900
  polyfield train -m data=photos field=hash,dense seed=0,1,2 run=runs/sweep
  polyfield train data=photos field=gaussians densify=classic
  polyfield train data=photos field=gaussians task.init_from=scan.ply
  polyfield train task=image data=photo.png task.holdout=0.2
  polyfield train task=sdf data=mesh.obj field.log2_entries=17
  polyfield train data=photos field._target_=mypackage.MyBackbone trust=[mypackage]
"""

# What may change when a run goes on: its budget and what does not touch what is learned.
CHANGEABLE = (
    "trainer.max_steps",
    "trainer.max_seconds",
    "device",
    "renderer.backend",
    "viewer",
    "logging",
    "trust",
)
CHOSEN = (
    "field",
    "decoder",
    "densify",
    "renderer",
    "dataset",
    "task",
    "experiment",
)  # groups of other choices


def main(words: list[str]) -> None:
    """Run `polyfield train WORDS...`."""
    arguments = parse([*map(_switch, words)], sweeps=True)
    backbones.make_known(arguments)
    resumes = arguments.given("resume") not in (None, "resume=null")
    if resumes and arguments.multirun:
        raise InputError("a sweep cannot go on with a run", field="resume", hint="leave out -m")
    for key in map(override_key, arguments.overrides if resumes else ()):
        if key.partition(".")[0] in CHOSEN and key not in CHANGEABLE:  # keys are those of the run
            raise unchangeable(key)

    def complete(config: DictConfig) -> list[str]:
        needs_name = config.run is None and not resumes
        return [f"run={quote(default_run(config, arguments))}"] if needs_name else []

    execute("train", run, arguments, complete)


def _switch(word: str) -> str:
    """`viewer=true` as the key that it stands for."""
    key, _, value = word.partition("=")
    return f"viewer.show={value}" if key == "viewer" and value in ("true", "false") else word


def default_run(config: DictConfig, arguments: Arguments) -> str:
    """`runs/<data>-<field>-<time>`; one name for all jobs of a sweep."""
    from polyfield.datasets.signals import kind_of

    path = Path(config.data or "nothing")
    data = path.parent.name if path.is_file() else path.resolve().name
    if kind_of(path) is not None:  # the file is what it is about, not one of many in its folder
        data = path.stem
    field = config.hydra.runtime.choices.field
    if arguments.multirun and "," in (arguments.given("field") or ""):
        field = "sweep"
    name = re.sub(r"[^\w.-]+", "_", f"{data}-{field}")
    return f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S')}"


@job
def run(config: dict[str, Any]) -> float:
    """Train, evaluate, and say where things are.

    Returns:
        The score of what was held out (of photos the mean PSNR in dB), of what was trained on where
        nothing was, for Hydra's sweepers.
    """
    from polyfield.commands.device import choose
    from polyfield.commands.scores import (
        number_of,
        pictures_folder,
        print_notes,
        summary,
        write_scores,
    )

    choose(config["device"])
    begin = go_on if config["resume"] is not None else start
    with begin(config) as (trainer, folder, renders), ExitStack() as page:
        watched = None
        if config["viewer"]["show"]:
            from polyfield.commands.watching import watch

            watched = page.enter_context(watch(trainer, folder, config["viewer"]))
        outcome = trainer.train()
        if watched is not None:
            watched(outcome.interrupted)
    if outcome.interrupted:
        print(f"stopped   at step {outcome.step:,}, saved; to go on:")
        print(f"  {command_line('train', resume=folder)}")
        raise SystemExit(INTERRUPTED)
    split = trainer.task.splits[0]
    pictures = pictures_folder(folder, split)
    with trainer.average.applied() if trainer.average else nullcontext():
        scores = trainer.task.evaluate(split, pictures, None)
    scores["step"] = outcome.step
    write_scores(folder, scores)
    rate = outcome.step / max(outcome.elapsed, 1e-9)
    print(f"trained   {outcome.step:,} steps in {outcome.elapsed:.1f} s ({rate:.0f} steps/s)")
    print(f"scored    {summary(scores)}")
    print_notes(scores)
    print_next(folder, pictures, trainer, EXAMPLES[renders])
    return number_of(scores, trainer.task.score_name)


@contextmanager
def start(config: dict[str, Any]) -> Iterator[tuple[Trainer, Path, str]]:
    """A new run, to be trained inside: its trainer, its folder, and what it can be rendered as.

    Nothing is written before the configuration is known to hold together, and nothing is left if
    the training fails before its first checkpoint.
    """
    from polyfield.training.assembly import build_task, build_trainer
    from polyfield.training.catalogue import load_data, task_kind
    from polyfield.training.preparation import preparation
    from polyfield.training.progress import Display
    from polyfield.training.runs import new_run

    if config["data"] is None:
        raise InputError("no data given", hint="data=PATH, or data=procedural for a built-in scene")
    config["trust"] = [*config["trust"], *backbones.trusted()]
    kind = task_kind(config)
    data = load_data(config)
    config = kind.settle(config, data)
    phase = preparation(config)
    config = dict(phase.config)
    task = build_task(config, data)
    number = sweep_number()
    folder = Path(config["run"]) if number is None else Path(config["run"]) / str(number)
    build_trainer(config, task, folder)  # raises for what does not fit together
    with new_run(folder, {**config, "run": str(folder)}, data):
        print_data(kind.headline(data), folder)
        try:
            phase.run(task, data, Display())
        except KeyboardInterrupt:
            print(f"stopped   while {phase.what}; nothing is kept")
            raise
        yield build_trainer(config, task, folder, display=Display()), folder, kind.renders


@contextmanager
def go_on(config: dict[str, Any]) -> Iterator[tuple[Trainer, Path, str]]:
    """A run as it was, with what may change taken from the line, to be trained inside."""
    from polyfield.training.assembly import build_task, build_trainer
    from polyfield.training.catalogue import task_kind
    from polyfield.training.progress import Display
    from polyfield.training.runs import open_data, read_config, resumed_run

    folder = Path(config["resume"])
    stored = read_config(folder)
    for word in overrides():
        key = override_key(word)
        if key == "resume":
            continue
        if not any(key == name or key.startswith(f"{name}.") for name in CHANGEABLE):
            raise unchangeable(key)
        *parents, leaf = key.split(".")
        node, given = stored, config
        for parent in parents:
            held = node.get(parent)
            if held is None and parent == "renderer":  # a task that has none
                raise unchangeable(key)
            if not isinstance(held, dict):  # `viewer` was a word once
                node[parent] = dict(config[parent]) if node is stored else {}
            node, given = node[parent], given[parent]
        node[leaf] = given[leaf]
    stored["trust"] = [*config["trust"], *backbones.trusted()]
    kind = task_kind(stored)
    data = open_data(folder, stored)
    task = build_task(stored, data)
    trainer = build_trainer(stored, task, folder, display=Display())
    trainer.restore()
    with resumed_run(folder, stored):
        print_data(kind.headline(data), folder)
        yield trainer, folder, kind.renders


def unchangeable(key: str) -> InputError:
    """What to say of a key that is settled when a run goes on."""
    hint = f"may change: {', '.join(CHANGEABLE)}"
    return InputError("cannot change when a run goes on", field=key, hint=hint)


def print_data(headline: str, folder: Path) -> None:
    """What is about to be learned, and where it goes."""
    print(f"data      {headline}")
    print(f"run       {folder}", flush=True)


def print_next(
    folder: Path, pictures: Path, trainer: Trainer, looks: Sequence[Mapping[str, str]]
) -> None:
    """Where things are, and what to do now."""
    bounds = {"steps": trainer.max_steps, "seconds": trainer.max_seconds}
    more = {f"trainer.max_{unit}": f"{2 * bound:g}" for unit, bound in bounds.items() if bound}
    print(f"run       {folder} (pictures in {pictures})")
    print("next")
    for words in looks:
        print(f"  {command_line('render', run=folder, **words)}")
    print(f"  {command_line('train', resume=folder, **more)}")
