"""Cells of pages: bytes, what a browser shows of one, and how often it draws in software.

What is drawn is Chromium's own WebGL2 on the processor, which any machine has: no measure of a
graphics card. Frames are counted while a script moves the camera, as a hand would, and are those
that a person sees: smaller while it moves, if the page has so chosen.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from polyfield.benchmarks.chromium import chromium, open_page, settle
from polyfield.benchmarks.splat_files import made
from polyfield.benchmarks.splat_frame import DISTANCE
from polyfield.cameras import Cameras
from polyfield.export.web import Look, splats_page
from polyfield.fields.gaussians import Gaussians, tensors_of
from polyfield.renderers.splat import SplatRenderer
from polyfield.splats import Splats

NEAR = 0.01  # world units
LEARNED = 0.3  # harmonics of learned Gaussians to those that are made up
WARM = 2.0  # seconds of movement before frames are counted: the page has chosen its quality

SWING = """async ([pose, lens, seconds]) => {
  const begun = performance.now(), before = polyfield.stats().frames;
  while (performance.now() - begun < 1000 * seconds) {
    await new Promise(requestAnimationFrame);
    const angle = (performance.now() - begun) / 400;
    const moved = pose.map(row => row.slice());
    moved[0][3] += 0.2 * Math.sin(angle);
    moved[1][3] += 0.2 * Math.cos(angle);
    polyfield.setCamera(moved, ...lens);
  }
  const frames = polyfield.stats().frames - before;
  document.getElementById("canvas").getContext("webgl2").finish();
  return [frames / (performance.now() - begun) * 1000, polyfield.stats().scale];
}"""


def measure(gaussians: int, degree: int, size: int, seconds: float) -> dict[str, Any]:
    """Bytes; frames a second and the scale that they were drawn at; PSNR of a still picture, dB.

    Args:
        gaussians: how many, made at random around a sphere that fills the picture.
        degree: of their harmonics.
        size: of the window, pixels a side.
        seconds: for which frames are counted.

    Raises:
        NotRun: without Chromium.
    """
    splats, cameras = made(gaussians, degree), in_front(size)
    splats = replace(splats, sh_rest=LEARNED * splats.sh_rest)
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder, chromium() as browser:
        file = Path(folder) / "page.html"
        look = Look(cameras, up=(0.0, -1.0, 0.0), near=NEAR, of_photos=False)
        splats_page(splats, look, file)
        page = open_page(browser.new_context(viewport={"width": size, "height": size}), file)
        page.add_style_tag(content=".over { visibility: hidden }")
        settle(page)
        shown = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")) / 255.0
        lens = [*cameras.intrinsics[0].tolist(), size, size]
        pose = cameras.world_from_camera[0].tolist()
        page.evaluate(SWING, [pose, lens, WARM])
        rate, scale = page.evaluate(SWING, [pose, lens, seconds])
        error = ((shown - rendered(splats, cameras)) ** 2).mean()
        return {
            "bytes": file.stat().st_size,
            "fps": rate,
            "scale": scale,
            "psnr": float(-10 * np.log10(max(error, 1e-12))),
            "resolution": [size, size],
        }


def in_front(size: int) -> Cameras:
    """One camera that has the sphere in view."""
    pose = torch.eye(4, dtype=torch.float64)[None, :3].clone()
    pose[0, 2, 3] = -DISTANCE
    return Cameras(
        pose,
        torch.tensor([[float(size), float(size), size / 2, size / 2]]),
        torch.zeros(1, 0),
        torch.zeros(1),
        torch.tensor([[size, size]]),
    )


def rendered(splats: Splats, cameras: Cameras) -> np.ndarray:
    """What our renderer shows of them, [h,w,3] on black."""
    field = Gaussians(splats.degree, degree_every=0)
    field.place(tensors_of(splats))
    picture: np.ndarray = SplatRenderer(field, near=NEAR).image(cameras, 0).rgb.detach().numpy()
    return picture
