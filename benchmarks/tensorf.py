"""A cell of TensoRF's public code (Chen et al. 2022) on the CPU, from a clone that the user has.

Nothing of it is copied here: its `train.py` is imported and called, with a configuration of ours in
the place of `configs/lego.txt` and its evaluation replaced by one that stops the clock. What it
imports and this measurement does not need (OpenCV, kornia, torchvision, lpips...) is stood in for
where it is not installed. Its clock, like ours, counts steps alone.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import torch

from polyfield.benchmarks.cells import NotRun

# Its lego configuration, for photos of 200 x 200.
SETTINGS = {
    "dataset_name": "blender",
    "expname": "bench",
    "downsample_train": 4.0,
    "batch_size": 1024,
    "N_voxel_init": 64**3,
    "N_voxel_final": 128**3,
    "N_vis": -1,
    "model_name": "TensorVMSplit",
    "shadingMode": "MLP_Fea",
    "fea2denseAct": "softplus",
    "view_pe": 2,
    "fea_pe": 2,
    "L1_weight_inital": 8e-5,
    "L1_weight_rest": 4e-5,
    "rm_weight_mask_thre": 1e-4,
    "n_lamb_sigma": (16, 16, 16),
    "n_lamb_sh": (48, 48, 48),
}
# Steps of its schedule for 15 000, which is scaled down.
UPSAMPLED = (2000, 3000, 4000, 5500, 7000)
MASKED = (2000, 4000)
OF_STEPS = 15000


class Clock:
    """Seconds of steps, in the place of tqdm: what it iterates; stopped while it evaluates."""

    def __init__(self) -> None:
        self.seconds, self.step = 0.0, 0
        self._since: float | None = None

    def __call__(self, iterations: Iterable[int], *_: Any, **__: Any) -> Clock:
        self.iterations = iterations
        return self

    def __iter__(self) -> Iterator[int]:
        self.start()
        for iteration in self.iterations:
            self.step = iteration
            yield iteration
        self.stop()
        self.step += 1

    def start(self) -> None:
        """From here on time counts."""
        self._since = time.perf_counter()

    def stop(self) -> None:
        """Until here."""
        if self._since is not None:
            self.seconds += time.perf_counter() - self._since
        self._since = None

    def set_description(self, text: str) -> None:
        """Shown to nobody."""


def measure(data: str, peer: str, steps: int, look_every: int) -> dict[str, Any]:
    """Train it, and score all test views along the way.

    Args:
        data: a NeRF-synthetic scene of 200 x 200.
        peer: the clone.
        steps: of training.
        look_every: steps between scores.
    """
    torch.manual_seed(0)
    np.random.seed(0)  # its sampler draws from there
    sys.path.insert(0, peer)
    stand_in()
    opt: Any
    train: Any
    try:
        opt, train = importlib.import_module("opt"), importlib.import_module("train")
    except (ImportError, AttributeError) as error:
        raise NotRun(f"its code does not import: {error}") from error
    clock, looks = Clock(), []

    def evaluation(
        dataset: Any, model: Any, args: Any, render: Any, *_: Any, **settings: Any
    ) -> list[float]:
        clock.stop()
        samples, white = settings["N_samples"], settings["white_bg"]
        with torch.no_grad():
            scores = [
                score(render, model, dataset, i, N_samples=samples, white_bg=white)
                for i in range(len(dataset.all_rays))
            ]
        psnr = float(np.mean(scores))
        looks.append({"seconds": clock.seconds, "step": clock.step + 1, "psnr": psnr})
        clock.start()
        return scores

    train.evaluation, train.tqdm, train.SummaryWriter = evaluation, clock, Silent
    train.device = torch.device("cpu")
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as logs:
        settings = {**SETTINGS, "n_iters": steps, "vis_every": look_every, "basedir": logs}
        words = [f"--datadir={data}"]
        for key, value in settings.items():
            words += [f"--{key}={v}" for v in (value if isinstance(value, tuple) else [value])]
        for key, at in (("upsamp_list", UPSAMPLED), ("update_AlphaMask_list", MASKED)):
            words += [
                f"--{key}={max(step * steps // OF_STEPS, i + 1)}" for i, step in enumerate(at)
            ]
        train.reconstruction(opt.config_parser(words))
    if not looks:
        raise NotRun("no evaluation within its steps")
    return {
        "looks": looks,
        "psnr": looks[-1]["psnr"],
        "steps": steps,
        "seconds": clock.seconds,
        "milliseconds_per_step": 1000 * clock.seconds / steps,
    }


def score(render: Any, model: Any, dataset: Any, i: int, **settings: Any) -> float:
    """PSNR in dB of test view i."""
    rays = dataset.all_rays[i].view(-1, dataset.all_rays.shape[-1])
    rgb, *_ = render(rays, model, chunk=4096, ndc_ray=0, device="cpu", **settings)
    error = torch.mean((rgb.clamp(0, 1) - dataset.all_rgbs[i].view(-1, 3)) ** 2)
    return float(-10 * torch.log10(error))


class Silent:
    """In the place of tensorboard's writer."""

    def __init__(self, *_: Any) -> None:
        pass

    def add_scalar(self, *_: Any, **__: Any) -> None:
        """Nothing is written."""


def stand_in() -> None:
    """Stand in for the modules that it imports and that are not installed."""
    cv2 = {"COLORMAP_JET": 2}
    grids = {"create_meshgrid": create_meshgrid}
    parsers = {"ArgumentParser": ConfigParser}
    for name, content in (
        ("cv2", cv2),
        ("kornia", grids),
        ("configargparse", parsers),
        ("plyfile", {}),
        ("torchvision", {}),
        ("torchvision.transforms", {"ToTensor": ToTensor}),
        ("torch.utils.tensorboard", {"SummaryWriter": Silent}),
        ("tqdm", {"tqdm": unadorned}),
        ("tqdm.auto", {"tqdm": unadorned}),
    ):
        if not importable(name):
            module = sys.modules[name] = ModuleType(name)
            module.__dict__.update(content)
            parent, _, leaf = name.rpartition(".")
            if parent:
                setattr(importlib.import_module(parent), leaf, module)


def importable(name: str) -> bool:
    """Whether importing a module works: one that is installed may still be broken."""
    try:
        importlib.import_module(name)
    except (ImportError, RuntimeError, OSError):
        return False
    return True


def unadorned(iterations: Iterable[Any], **_: Any) -> Iterable[Any]:
    """In the place of tqdm."""
    return iterations


def create_meshgrid(height: int, width: int, normalized_coordinates: bool = True) -> torch.Tensor:
    """Pixel coordinates [1, h, w, 2], x before y, as kornia's of that name when not normalised."""
    assert not normalized_coordinates
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y], dim=-1)[None].float()


class ToTensor:
    """A picture as a tensor [c, h, w] in [0, 1], as torchvision's of that name."""

    def __call__(self, picture: Any) -> torch.Tensor:
        return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255


class ConfigParser(argparse.ArgumentParser):
    """An argument parser that ignores what makes configargparse one: files of settings."""

    def add_argument(self, *names: Any, **settings: Any) -> Any:
        settings.pop("is_config_file", None)
        return super().add_argument(*names, **settings)
