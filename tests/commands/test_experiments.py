"""Every experiment that is shipped: it composes, and what it sets fits together."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from polyfield.commands.choices import choices
from polyfield.commands.schema import configuration
from polyfield.training.assembly import build_task
from polyfield.training.bottleneck import kept, weakened
from polyfield.training.catalogue import load_data

SMALL = ("data=procedural", "dataset.downscale=8")


@cache
def scene(moving: bool = False) -> Any:
    return load_data(configuration(*SMALL, f"dataset.moving={moving}"))


@pytest.mark.parametrize("name", choices("experiment"))
def test_an_experiment_makes_a_task(name: str, tmp_path: Path) -> None:
    words: tuple[str, ...] = SMALL
    if name.startswith("finr"):  # of a picture
        iio.imwrite(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
        words = (f"data={tmp_path / 'a.png'}",)
    config = configuration(*words, f"experiment={name}")
    data = load_data(config) if words != SMALL else scene(moving="dnerf" in name)
    if config["trainer"]["bottleneck"]:
        build_task(weakened(config), data)
        config = kept(config)
    task = build_task(config, data)
    assert task.parameter_groups()


def test_papers_have_a_size_for_cpus() -> None:
    names = {name for name in choices("experiment") if name not in ("demo", "nerf")}
    large = {name for name in names if not name.endswith("_cpu")}
    kplanes = {"kplanes", "kplanes_linear", "kplanes_dnerf"}
    others = {"tilted_vm", "tilted_kplanes", "strivec", "finr"}
    assert large == {"tensorf_vm", "tensorf_cp", *kplanes, *others}
    assert names == large | {f"{name}_cpu" for name in large}


def test_tensorfs_vm_has_the_size_of_the_paper() -> None:
    task = build_task(configuration(*SMALL, "experiment=tensorf_vm"), scene())
    field = task.renderer.field.backbone
    assert [n + 1 for n in field.cells] == [128] * 3
    assert field.table.numel() == 192 * (128**2 + 128)


@pytest.mark.parametrize("name", ["kplanes", "kplanes_cpu"])
def test_kplanes_has_the_total_variation_of_its_code(name: str) -> None:
    """1e-4 of the sum over planes, each counted twice, of twice the means along both axes."""
    field = configuration(f"experiment={name}")["field"]
    terms = 3 * len(field["resolution"]) * 2
    assert field["tv"] == pytest.approx(1e-4 * 2 * 2 * terms)


@pytest.mark.parametrize("name", ["kplanes_dnerf", "kplanes_dnerf_cpu"])
def test_kplanes_of_scenes_that_move_has_the_penalties_of_its_code(name: str) -> None:
    """1e-2 and 1e-4 of the sums over planes with time; total variation as above, these once."""
    field = configuration(f"experiment={name}")["field"]
    planes = 3 * len(field["resolution"])
    assert (field["time_smooth"], field["still"]) == pytest.approx((1e-2 * planes, 1e-4 * planes))
    assert field["tv"] == pytest.approx(1e-4 * 2 * (2 + 1) * planes * 2)


@pytest.mark.parametrize(
    ("name", "masked"), [("tensorf_vm", 2000 / 30000), ("tensorf_vm_cpu", 2 / 15)]
)
def test_tensorfs_vm_is_kept_small_more_firmly_until_its_first_mask(
    name: str, masked: float
) -> None:
    """8e-5 and 4e-5 of the mean of each of its six factors."""
    config = configuration(f"experiment={name}")
    field = config["field"]
    assert field["l1_until"] == pytest.approx(masked, abs=1e-4)
    assert field["l1_until"] == config["task"]["crop"]
    assert (field["l1_first"], field["l1"]) == pytest.approx((6 * 8e-5, 6 * 4e-5))


def test_tensorfs_schedule_from_photos_to_scores(
    line: Callable,
    photos: Path,
    of_one_color: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Coarse to fine, a box and rays cut to what is there; scored again, and gone on with."""
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")  # nothing to compile
    words = ["field.resolution=[16]", "field.density=12", "field.color=24", "decoder.hidden=[16]"]
    words += ["task.rays=256", "renderer.occupancy.resolution=16", "optimizer.lr=0.05"]
    run = ("train", f"data={photos}", "experiment=tensorf_vm_cpu", "run=cut", *words)
    status, _, said = line(*run, "trainer.max_steps=60")
    assert status == 0, said
    scores = json.loads((tmp_path / "cut" / "eval.json").read_text())
    assert scores["psnr"] > of_one_color(photos) + 2
    assert line("eval", "run=cut", "pictures=false")[0] == 0
    again = json.loads((tmp_path / "cut" / "eval.json").read_text())
    assert again["images"] == scores["images"]
    status, _, said = line("train", "resume=cut", "field=vm", "field.color=48")
    assert (status, "cannot change when a run goes on" in said) == (2, True)
    assert line("train", "resume=cut", "trainer.max_steps=63")[0] == 0
