"""The page in a browser, against a server in a process of its own, from the line to the download.

Skipped where there is no Chromium or no driver for it.
"""

from __future__ import annotations

import io
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from polyfield.renderers.pictures import picture
from polyfield.splats.formats import read_splats
from polyfield.viewer.standing import aim, camera_of, vertical_angle

playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'polyfield[test]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

PATIENCE = 120.0  # seconds, on a machine that has much else to do
SIZE = (960, 540)
# What no panel and no note covers.
SEEN = (slice(190, 530), slice(10, 540))
ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


class Served:
    """A server of ours in a process of its own."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "polyfield", "view", *words]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("from afar"):
                break
        found = re.search(r"http://\S+", "".join(self.lines))
        assert found is not None, "".join(self.lines)
        self.url = found.group()

    def held(self) -> tuple[int, int]:
        """Threads and open files of the process."""
        process = Path(f"/proc/{self.process.pid}")
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))

    def end(self) -> str:
        """Press Ctrl-C; what it said last."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=PATIENCE)
        return said


@pytest.fixture(scope="module")
def served(blobs: Path) -> Iterator[Served]:
    server = Served(f"input={blobs}", "port=18080")
    yield server
    if server.process.poll() is None:
        server.end()


@pytest.fixture(scope="module")
def page(served: Served) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        page.set_default_timeout(PATIENCE * 1000)
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda said: note(page, said))
        page.goto(served.url)
        yield page
        browser.close()


def note(page: Any, said: Any) -> None:
    if said.type == "error":
        page.complaints.append(said.text)


def look(page: Any) -> np.ndarray:
    """What is seen beside the panels."""
    shot = iio.imread(io.BytesIO(page.screenshot()))[..., :3]
    return shot[SEEN].astype(np.float64)


def until(page: Any, holds: Callable[[np.ndarray], bool]) -> np.ndarray:
    """What is seen as soon as something holds of it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        seen = look(page)
        if holds(seen) or time.monotonic() > deadline:
            return seen
        page.wait_for_timeout(200)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).mean())


def test_the_page_shows_what_the_renderer_draws(page: Any, viewed: Any) -> None:
    class Pose:
        wxyz = None
        position = viewed.start.positions[0].numpy()
        fov = vertical_angle(viewed.start)

    from polyfield.cameras.poses import look_at, quaternion_from_rotation

    up = torch.tensor(viewed.up, dtype=torch.float64)
    target = torch.from_numpy(aim(viewed, viewed.start))
    pose = look_at(viewed.start.positions, target[None], up)[0]
    Pose.wxyz = quaternion_from_rotation(pose[:, :3]).numpy()
    ours = picture(viewed.renderer.image(camera_of(Pose, SIZE), 0).rgb.numpy())
    expected = ours[SEEN].astype(np.float64)
    assert expected.std() > 20
    seen = until(page, lambda seen: apart(seen, expected) < 4)
    assert apart(seen, expected) < 4  # JPEG, and the page's own resampling


def test_a_move_of_the_camera_changes_the_picture(page: Any) -> None:
    before = look(page)
    page.mouse.move(300, 400)
    page.mouse.down()
    page.mouse.move(180, 380, steps=4)
    page.mouse.up()
    seen = until(page, lambda seen: apart(seen, before) > 8)
    assert apart(seen, before) > 8
    assert seen.std() > 20


def test_modes_are_switched_and_explained(page: Any) -> None:
    before = until(page, lambda seen: True)
    page.get_by_role("combobox", name="Mode").click()
    page.get_by_role("option", name="depth").click()
    page.get_by_text("distance along the ray").wait_for()
    seen = until(page, lambda seen: apart(seen, before) > 20)
    assert apart(seen, before) > 20


def test_the_export_button_hands_over_a_valid_file(page: Any, blobs: Path, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export", exact=True).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert len(read_splats(file)) == 200
    (kept,) = blobs.parent.glob("export-*")
    assert kept.read_bytes() == file.read_bytes()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc to count in")
def test_reconnects_leak_nothing_and_nothing_complains(page: Any, served: Served) -> None:
    def reconnect() -> None:
        page.goto("about:blank")
        page.goto(served.url)
        until(page, lambda seen: seen.std() > 20)

    reconnect()
    threads, files = served.held()
    for _ in range(10):
        reconnect()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and served.held() > (threads + 1, files + 1):
        page.wait_for_timeout(200)
    # A pool of viser's for callbacks may have grown by a thread meanwhile.
    assert served.held()[0] <= threads + 1
    assert served.held()[1] <= files + 1
    assert page.complaints == []


def test_the_server_says_where_it_is_and_ends_when_asked(served: Served) -> None:
    said = "".join(served.lines)
    assert "http://localhost:18080" in said or "is in use" in said
    assert "ssh -N -L" in said
    assert "closed" in served.end()
    assert served.process.returncode == 0
