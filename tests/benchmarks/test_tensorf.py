"""The peer is called as it is, its evaluations do not count, what it lacks is stood in for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from polyfield.benchmarks import tensorf
from polyfield.benchmarks.cells import NotRun

OPT = """\
import configargparse

def config_parser(cmd=None):
    parser = configargparse.ArgumentParser()
    parser.add_argument("--config", is_config_file=True)
    parser.add_argument("--n_iters", type=int)
    parser.add_argument("--vis_every", type=int)
    parser.add_argument("--N_vis", type=int)
    parser.add_argument("--upsamp_list", type=int, action="append")
    return parser.parse_known_args(cmd)[0]
"""

# What the measurement relies on: names, and how they are called.
TRAIN = """\
import torch
from tqdm.auto import tqdm
from torch.utils.tensorboard import SummaryWriter
from kornia import create_meshgrid
from torchvision import transforms as T
import cv2

class Views:
    all_rays = torch.zeros(2, 6, 6)
    all_rgbs = torch.zeros(2, 2, 3, 3)

def renderer(rays, model, chunk, N_samples, ndc_ray, white_bg, device):
    assert rays.shape == (6, 6) and N_samples == 7 and white_bg
    return torch.full((6, 3), 0.1), None, None, None, None

def evaluation(*args, **kwargs):
    raise AssertionError("theirs writes videos")

def reconstruction(args):
    assert args.N_vis == -1 and args.upsamp_list == [1, 2, 3, 4, 5]
    writer = SummaryWriter("logs")
    bar = tqdm(range(args.n_iters), miniters=1)
    for iteration in bar:
        writer.add_scalar("loss", 0.0, global_step=iteration)
        bar.set_description("")
        if iteration % args.vis_every == args.vis_every - 1:
            evaluation(Views, None, args, renderer, "folder", N_vis=args.N_vis, prtx="",
                       N_samples=7, white_bg=True, ndc_ray=0, compute_extra_metrics=False)
"""


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stand-in for the clone; what importing it changes is undone."""
    (tmp_path / "opt.py").write_text(OPT)
    (tmp_path / "train.py").write_text(TRAIN)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if name not in before and (name in ("opt", "train") or not hasattr(module, "__file__")):
            del sys.modules[name]


def test_scores_and_seconds_of_its_steps(clone: Path) -> None:
    values = tensorf.measure("photos", str(clone), steps=6, look_every=3)
    assert [look["step"] for look in values["looks"]] == [3, 6]
    assert values["psnr"] == pytest.approx(20.0)
    assert 0 < values["looks"][0]["seconds"] <= values["looks"][1]["seconds"] <= values["seconds"]
    assert values["steps"] == 6


def test_code_that_does_not_import_is_not_run(clone: Path) -> None:
    (clone / "train.py").write_text("import a_package_that_nobody_has")
    with pytest.raises(NotRun, match="a_package_that_nobody_has"):
        tensorf.measure("photos", str(clone), steps=6, look_every=3)


def test_the_clock_stops_for_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(tensorf.time, "perf_counter", lambda: now[0])
    clock = tensorf.Clock()
    for iteration in clock(range(4)):
        now[0] += 1
        if iteration == 1:
            clock.stop()
            now[0] += 100
            clock.start()
    assert clock.seconds == 4


def test_stand_ins_do_what_the_originals_do() -> None:
    grid = tensorf.create_meshgrid(2, 3, normalized_coordinates=False)
    assert grid.shape == (1, 2, 3, 2)
    assert grid[0, 1, 2].tolist() == [2, 1]
    picture = torch.tensor([[[0, 255, 51]]], dtype=torch.uint8).numpy()
    assert tensorf.ToTensor()(picture).flatten().tolist() == pytest.approx([0, 1, 0.2])
