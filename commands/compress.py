"""`polyfield compress`: the Gaussians of a run in a small file of networks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.commands.arguments import parse
from polyfield.commands.hydra_job import execute, job
from polyfield.commands.opening import open_task, run_folder
from polyfield.commands.text import size
from polyfield.errors import InputError

if TYPE_CHECKING:
    from polyfield.splats.splats import Splats
    from polyfield.training.splatting import SplattingTask

SUFFIX = ".ngs"

HELP = """\
polyfield compress: write the Gaussians of a run as a small file of networks, after NeuralGS

usage: polyfield compress run=RUN out=scene.ngs [key=value ...]

  run=RUN                a run of field=gaussians
  out=FILE               the file, .ngs
  prune=0.4              share of the Gaussians that goes: those seen the least
  recover_steps=200      of training what is left on, so that it takes over from what went
  clusters=auto          networks: a number; object (8), indoor (60), outdoor (120); or auto, one
                         for each 2048 Gaussians that are left, 6 to 140
  width=16 layers=3      of the hidden layers of a network
  steps=1000             of fitting networks to what the Gaussians are
  finetune_steps=200     of tuning them on the training photos, a photo each
  residuals=0.1          step of what is stored beside networks; larger is smaller, 0 for none
  residual_degree=3      harmonics up to this one have residuals too, 0 to 3
  weighted=true          whether Gaussians that are seen more count more in fitting
  frequency=0            weight of the difference of spectra in tuning
  bits=16                of a coordinate of a centre, 4 to 21
  limit=N                score at most N held-out images, evenly spread
  overwrite=false        whether FILE may be there already
  checkpoint=latest      latest | best | a step
  data=PATH              where the photos lie now, if they were moved
  seed=0                 of everything random

Smaller residuals, of more harmonics, come closer to the scene, as do more steps; each network of
width 16 takes about 5 kB. Prints the sizes of the scene as a PLY and as FILE, and the PSNR of
held-out views before and after. FILE is read wherever files of Gaussians are:
polyfield convert scene.ngs out.ply

examples:
  polyfield compress run=runs/first out=scene.ngs
  polyfield compress run=runs/first out=small.ngs residuals=0.2 residual_degree=1
  polyfield compress run=runs/garden out=garden.ngs clusters=outdoor finetune_steps=2000
"""


def main(words: list[str]) -> None:
    """Run `polyfield compress WORDS...`."""
    execute("compress", run, parse(words))


@job
def run(config: dict[str, Any]) -> None:
    """Score, compress, write, read back, score, print."""
    import torch

    from polyfield.compression import neural_file
    from polyfield.compression.neural_splats import Settings, compress
    from polyfield.compression.photos import TrainingPhotos
    from polyfield.splats.frames import transformed

    folder, out = run_folder(config), _checked_out(config)
    task = _open_splatting(config)
    splats = task.field.splats()
    file_from_world = task.scene.source_from_world.double().numpy()
    n_bytes = ply_size(transformed(splats, file_from_world))
    print(f"run       {folder}: {_line(splats, n_bytes)} as a PLY")
    print(f"before    {score(task, splats, config['limit'])}", flush=True)
    names = Settings.__dataclass_fields__
    settings = Settings(**{name: config[name] for name in names})
    generator = torch.Generator().manual_seed(config["seed"])
    neural = compress(splats, TrainingPhotos(task), settings, generator, say)
    written = neural_file.write(neural, out, file_from_world)
    read = neural_file.decode(out.read_bytes(), out)[0].splats()
    print(f"after     {score(task, read, config['limit'])}")
    print(f"written   {out}: {_line(read, written)}, {n_bytes / written:.1f} times less")


def say(line: str) -> None:
    """Print what was done."""
    print(line, flush=True)


def ply_size(splats: Splats) -> int:
    """Bytes of Gaussians as the PLY of 3DGS."""
    from polyfield.splats.formats import write_splats

    with tempfile.TemporaryDirectory(prefix="polyfield-") as folder:
        file = Path(folder) / "scene.ply"
        write_splats(splats, file)
        return file.stat().st_size


def score(task: SplattingTask, splats: Splats, limit: int | None) -> str:
    """PSNR and SSIM of held-out views of Gaussians, which take the place of the task's.

    Args:
        splats: in the world.
        limit: of how many views; None for all.
    """
    from polyfield.commands.scores import summary
    from polyfield.fields.gaussians import tensors_of

    task.field.place(tensors_of(splats))
    return summary(task.evaluate(task.splits[0], limit=limit))


def _open_splatting(config: dict[str, Any]) -> SplattingTask:
    from polyfield.training.splatting import SplattingTask

    task = open_task(config)
    if not isinstance(task, SplattingTask):
        found = f"a run of {type(task).__name__}"
        expected = "Gaussians: a run of field=gaussians"
        raise InputError(file=config["run"], field="run", found=found, expected=expected)
    return task


def _checked_out(config: dict[str, Any]) -> Path:
    if config["out"] is None:
        raise InputError(field="out", found="none", expected=f"a file: out=scene{SUFFIX}")
    out = Path(config["out"])
    if out.suffix.lower() != SUFFIX:
        hint = "polyfield convert writes other formats"
        raise InputError(file=out, expected=f"a name that ends in {SUFFIX}", hint=hint)
    if out.exists() and not config["overwrite"]:
        raise InputError("is there already", file=out, hint="overwrite=true replaces it")
    if not out.parent.is_dir():
        raise InputError("no such folder", file=out.parent)
    return out


def _line(splats: Splats, n_bytes: int) -> str:
    return f"{len(splats):,} Gaussians of degree {splats.degree}, {size(n_bytes)}"
