"""Held-out views against what was rendered of them: scores as plain data, pictures as files.

Letters: h, w pixels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor, nn

from polyfield.datasets.image_files import EXTENSIONS, first_names
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.renderers.pictures import (
    Picture,
    depth_picture,
    depth_range,
    error_picture,
    picture,
    write_picture,
)
from polyfield.renderers.render import Render
from polyfield.training import metrics
from polyfield.version import __version__

LONGEST = 60  # characters of a name: four bytes each are less than a disk takes


@dataclass(frozen=True)
class View:
    """A view and what was rendered of it.

    Attributes:
        name: of the image, unique in its scene.
        truth: [h, w, 3] sRGB, composited on the background.
        render: [h, w, ...].
        mask: [h, w] False where a pixel does not count; None where all do.
        seconds: the rendering took.
    """

    name: str
    truth: Float[np.ndarray, "h w 3"]
    render: Render
    mask: Bool[np.ndarray, "h w"] | None
    seconds: float


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """A module in evaluation mode for a while, then in the mode it was in."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def chosen(scene: Scene, split: str, limit: int | None) -> list[int]:
    """Image numbers of a split, evenly spread when there are more than `limit`."""
    if split not in scene.splits or not len(scene.splits[split]):
        have = " or ".join(name for name, part in scene.splits.items() if len(part))
        raise InputError(file=scene.path, field="split", found=split, expected=have)
    images = scene.splits[split].tolist()
    if limit is None or limit >= len(images):
        return images
    if limit < 1:
        raise InputError(field="limit", found=limit, expected="1 or more")
    return [images[int(k)] for k in np.linspace(0, len(images) - 1, limit).round()]


def true_view(scene: Scene, i: int, behind: Tensor | None) -> Float[np.ndarray, "h w 3"]:
    """Photo i in [0, 1], composited on what is behind where it has alpha."""
    pixels = scene.images[i].astype(np.float32) / 255
    if pixels.shape[-1] == 3 or behind is None:
        return pixels[..., :3]
    alpha = pixels[..., 3:]
    return pixels[..., :3] * alpha + (1 - alpha) * behind.numpy()


def score(views: Iterable[View], out: Path | None, *, lpips: bool = False) -> dict[str, Any]:
    """Score views one by one, so that only one is in memory.

    Args:
        views: at least one.
        out: a folder for `file_name(NAME).png`, each truth | render | error | depth; None for none.
        lpips: also by LPIPS, where the package is installed.

    Returns:
        "psnr" and "ssim" as means over images, "images" with the values of each, "resolution"
        [w, h] (None where images differ), "seconds" of rendering, "rays_per_second", "version",
        and "notes" on what was left out. A score that an image cannot have is None and left out of
        the mean, which is None where no image has one.
    """
    images, sizes, seconds = [], [], 0.0
    names: list[str] = []
    notes: dict[str, list[str]] = {}
    perceptual = metrics.Perceptual() if lpips else None
    for view in views:
        rgb = view.render.rgb.cpu().numpy()
        scores, reasons = _scores(view, rgb)
        if perceptual is not None:
            scores["lpips"] = perceptual(rgb, view.truth)
        for key, reason in reasons.items():
            notes.setdefault(f"{key}: {reason}, left out of the mean", []).append(view.name)
        images.append({"name": view.name, **scores})
        sizes.append((rgb.shape[1], rgb.shape[0]))
        seconds += view.seconds
        if out is not None:
            names.append(file_name(view.name, names))
            write_picture(out / f"{names[-1]}.png", np.concatenate(columns(view), axis=1))
    result: dict[str, Any] = {k: _mean(images, k) for k in ("psnr", "ssim")}
    if perceptual is not None and perceptual.note is None:
        result["lpips"] = _mean(images, "lpips")
    elif perceptual is not None:
        images = [{k: v for k, v in image.items() if k != "lpips"} for image in images]
    pixels = sum(width * height for width, height in sizes)
    result.update(
        images=images,
        resolution=list(sizes[0]) if len(set(sizes)) == 1 else None,
        seconds=seconds,
        rays_per_second=pixels / max(seconds, 1e-9),
        version=__version__,
        notes=[f"{note} ({first_names(of)})" for note, of in notes.items()],
    )
    if perceptual is not None and perceptual.note is not None:
        result["notes"].append(perceptual.note)
    return result


def _scores(
    view: View, rgb: Float[np.ndarray, "h w 3"]
) -> tuple[dict[str, float | None], dict[str, str]]:
    """PSNR and SSIM of a view, None where there is none; and why not, by the score's name."""
    if view.mask is not None and not view.mask.any():
        return dict.fromkeys(("psnr", "ssim")), dict.fromkeys(("psnr", "ssim"), "no valid pixels")
    reasons = {}
    psnr: float | None = metrics.psnr(rgb, view.truth, view.mask)
    if psnr == math.inf:
        psnr, reasons["psnr"] = None, "equal to the photo"
    ssim: float | None = None
    if min(rgb.shape[:2]) < metrics.SMALLEST:
        reasons["ssim"] = f"below {metrics.SMALLEST} pixels"
    else:
        ssim = metrics.ssim(rgb, view.truth, view.mask)
        if math.isnan(ssim):
            ssim, reasons["ssim"] = None, "no valid pixels away from the border"
    return {"psnr": psnr, "ssim": ssim}, reasons


def _mean(images: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = [image[key] for image in images if image[key] is not None]
    return float(np.mean(values)) if values else None


def columns(view: View) -> list[Picture]:
    """Truth, render, error and depth of a view, pictures of one size."""
    depth, opacity = view.render.depth.cpu().numpy(), view.render.opacity.cpu().numpy()
    truth, rgb = picture(view.truth), picture(view.render.rgb.cpu().numpy())
    span = depth_range([depth], [opacity])
    return [truth, rgb, error_picture(truth, rgb), depth_picture(depth, opacity, span)]


def file_name(name: str, taken: Iterable[str] = ()) -> str:
    """A name for the picture of an image, without folders: `a/b.jpg` gives `a_b`.

    Args:
        name: of the image; it may lead anywhere (`/photos/b.jpg`, `../b.jpg`).
        taken: names that others have; a number makes this one different, whatever its case.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.suffix.lower() in EXTENSIONS:
        path = path.with_suffix("")
    joined = "/".join(part for part in path.parts if part.strip("/."))
    plain = re.sub(r"[^\w.+-]+", "_", joined).lstrip(".")[-LONGEST:] or "image"
    known = {other.lower() for other in taken}
    numbered = (f"{plain}_{number}" for number in count(2))
    return next(unused for unused in chain([plain], numbered) if unused.lower() not in known)
