"""What the tests of pages share: a browser, small scenes, cameras, and what a page shows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from polyfield.benchmarks.cells import NotRun
from polyfield.benchmarks.chromium import chromium, open_page, settle
from polyfield.cameras import Cameras
from polyfield.export.web import Look
from polyfield.fields.gaussians import Gaussians, tensors_of
from polyfield.renderers.splat import SplatRenderer
from polyfield.splats import Splats
from polyfield.splats.splats import HARMONICS

WHITE = (1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, or a skip that says what is missing; a process can have one at a time."""
    try:
        with chromium() as found:
            yield found
    except NotRun as error:
        pytest.skip(str(error))


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a file in a window; what it says on the console and asks for is kept in `page.heard`."""
    pages = []

    def open_(
        file: Path, width: int = 96, height: int = 96, before: str = "", **options: Any
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=True, **options
        )
        pages.append(context)
        heard: list[str] = []
        context.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
        context.on("weberror", lambda error: heard.append(f"error: {error.error}"))
        context.on("request", lambda request: heard.append(f"request: {request.url}"))
        if before:
            context.add_init_script(before)
        page = open_page(context, file)
        page.heard = heard
        return page

    yield open_
    for context in pages:
        context.close()


@pytest.fixture(scope="session")
def cloud() -> Callable[..., Splats]:
    """Gaussians of every size and opacity around the origin, some like needles, some like disks."""

    def make(n: int = 400, degree: int = 0, antialiased: bool = False, seed: int = 0) -> Splats:
        random = np.random.default_rng(seed)
        return Splats(
            means=random.normal(0, 0.5, (n, 3)),
            quats=random.normal(size=(n, 4)),
            log_scales=random.normal(-2.8, 0.8, (n, 3)),
            opacity_logits=random.normal(0.5, 2, n),
            sh_dc=random.normal(0, 0.8, (n, 3)),
            sh_rest=random.normal(0, 0.15, (n, HARMONICS[degree], 3)),
            antialiased=antialiased,
        )

    return make


@pytest.fixture(scope="session")
def camera() -> Callable[..., Cameras]:
    """One camera, `away` from the origin and turned about +y, looking at it."""

    def make(
        width: int = 96, height: int = 96, turn: float = 0.0, away: float = 3.0, aside: float = 0.0
    ) -> Cameras:
        c, s = np.cos(turn), np.sin(turn)
        rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        pose = np.column_stack([rotation, -away * rotation[:, 2]])
        focal = 0.9 * min(width, height)
        lens = [focal, 1.1 * focal, width / 2 + aside, height / 2 - aside]
        return Cameras(
            torch.from_numpy(pose)[None],
            torch.tensor([lens]),
            torch.zeros(1, 0),
            torch.zeros(1),
            torch.tensor([[width, height]]),
        )

    return make


@pytest.fixture(scope="session")
def look() -> Callable[..., Look]:
    """A look from a camera, on white."""

    def make(cameras: Cameras, **changes: Any) -> Look:
        settings = {"up": (0.0, -1.0, 0.0), "near": 0.05, "background": WHITE, "title": "a scene"}
        return Look(cameras, **{**settings, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def ours() -> Callable[..., np.ndarray]:
    """What our renderer shows of Gaussians, [h,w,3] on white."""

    def draw(splats: Splats, cameras: Cameras) -> np.ndarray:
        field = Gaussians(splats.degree, degree_every=0, antialiased=splats.antialiased)
        field.place(tensors_of(splats))
        shown = SplatRenderer(field, near=0.05).image(cameras, 0, torch.tensor(WHITE))
        return shown.rgb.detach().numpy()

    return draw


@pytest.fixture(scope="session")
def shot() -> Callable[..., np.ndarray]:
    """A screenshot without what is laid over the picture, [h,w,3] in [0, 1]."""

    def take(page: Any, cameras: Cameras | None = None) -> np.ndarray:
        page.add_style_tag(content=".over { visibility: hidden }")
        if cameras is not None:
            lens = [*cameras.intrinsics[0].tolist(), *cameras.size[0].tolist()]
            script = "([pose, lens]) => { polyfield.setCamera(pose, ...lens); polyfield.render(); }"
            page.evaluate(script, [cameras.world_from_camera[0].tolist(), lens])
        settle(page)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        return np.asarray(picture) / 255.0

    return take


@pytest.fixture(scope="session")
def psnr() -> Callable[[np.ndarray, np.ndarray], float]:
    """Of two pictures, dB."""

    def score(a: np.ndarray, b: np.ndarray) -> float:
        assert a.shape == b.shape
        return float(-10 * np.log10(max(((a - b) ** 2).mean(), 1e-12)))

    return score
