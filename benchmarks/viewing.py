"""Cells of the viewer: seconds to the first picture in a browser, and pictures a second.

The browser is the system's Chromium without a window, begun before the clock runs. It draws in
software, so that what it needs for itself is more than on most machines.
"""

from __future__ import annotations

import io
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from polyfield.benchmarks.cells import NotRun
from polyfield.benchmarks.running import environment
from polyfield.commands.schema import configuration

PATIENCE = 120.0  # seconds
PORT = 28080
WINDOW = (640, 480)
FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
SEEN = 20.0  # standard deviation of what is seen beside the panel, once there is a picture
TURN = 0.05  # radians between two pictures of a camera that goes round


def measure(
    data: str,
    words: list[str],
    seconds: float,
    what: str,
    repetitions: int,
    size: int = 256,
) -> dict[str, Any]:
    """Of a run that is trained first, what it takes to look at it.

    Args:
        data: the scene's folder.
        words: settings of the training, as on the command line.
        seconds: of training.
        what: "first picture": seconds from the start of `polyfield view` until there is a picture
            in a browser; or "previews": of pictures of a camera that goes round, the share of time
            in which they are rendered and encoded, as pictures a second, while nothing trains.
        repetitions: of either, after one that is not counted.
        size: of previews, pixels along both edges.
    """
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        run = Path(folder) / "run"
        command(["train", f"data={data}", *words, f"run={run}", f"trainer.max_seconds={seconds}"])
        if what == "previews":
            return previews(run, size, repetitions)
        with chromium() as browser:
            turns = [first_picture(browser, run) for _ in range(repetitions + 1)][1:]
    return {"seconds": {"best": min(turns), "median": statistics.median(turns)}}


def command(words: list[str]) -> None:
    """`polyfield WORDS...`."""
    subprocess.run(
        [sys.executable, "-m", "polyfield", *words],
        check=True,
        capture_output=True,
        env=environment(),
    )


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser.

    Raises:
        NotRun: without one.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise NotRun("playwright is not installed") from error
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise NotRun("no Chromium on this machine")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def first_picture(browser: Any, run: Path) -> float:
    """Seconds from `polyfield view` to a picture."""
    page = browser.new_page(viewport={"width": WINDOW[0], "height": WINDOW[1]})
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "polyfield", "view", f"run={run}", f"port={PORT}"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stdout is not None
        address = next((line.split()[1] for line in process.stdout if line.startswith("open")), "")
        if not address:
            raise NotRun("the viewer did not start")
        page.goto(address)
        while not shows(page):
            if time.perf_counter() - began > PATIENCE:
                raise NotRun("no picture")
        return time.perf_counter() - began
    finally:
        page.close()
        process.kill()
        process.wait()


def shows(page: Any) -> bool:
    """Whether there is a picture in the lower half, where no panel is."""
    shot = iio.imread(io.BytesIO(page.screenshot()))[WINDOW[1] // 2 :, :, :3]
    return bool(shot.std() > SEEN)


def previews(run: Path, size: int, repetitions: int) -> dict[str, Any]:
    """Pictures a second of a camera that goes round."""
    from polyfield.cameras.paths import orbit
    from polyfield.commands.viewing import viewed_run
    from polyfield.viewer.look import Look
    from polyfield.viewer.painting import paint
    from polyfield.viewer.screen import Screen
    from polyfield.viewer.share import Turns
    from polyfield.viewer.viewed import Stage

    viewed = viewed_run(configuration(f"run={run}", verb="view"))
    screen = Screen(Stage(viewed), Turns(), Look())
    assert viewed.seen is not None
    path = orbit(viewed.seen, max(round(2 * np.pi / TURN), repetitions))
    path = path.scaled(size / int(path.size[0].max()))
    turns = []
    for i in range(repetitions + 1):
        began = time.perf_counter()
        image, _ = paint(screen.render(path[i], screen.look), screen.look)
        iio.imwrite("<bytes>", image, extension=".jpeg", quality=80)
        turns.append(time.perf_counter() - began)
    counted = turns[1:]
    rates = {"best": 1 / min(counted), "median": 1 / statistics.median(counted)}
    return {"size": path.size[0].tolist(), "per_second": rates}
