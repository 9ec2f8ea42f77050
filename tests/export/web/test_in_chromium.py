"""Pages in headless Chromium: what they show is what our renderer shows, and they can be moved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from polyfield.benchmarks.chromium import settle
from polyfield.cameras import concatenate
from polyfield.export.web import mesh_page, splats_page

LEAST = 40.0  # dB; 30 would do for a person


@pytest.fixture
def page_of(tmp_path: Path, cloud: Callable, camera: Callable, look: Callable) -> Callable:
    """A file with a page of Gaussians."""

    def write(splats: Any = None, cameras: Any = None, **changes: Any) -> Path:
        out = tmp_path / "a scene (1).html"
        splats_page(splats or cloud(), look(cameras or camera(), **changes), out, overwrite=True)
        return out

    return write


def stats(page: Any) -> dict[str, Any]:
    settle(page)
    return page.evaluate("polyfield.stats()")


@pytest.mark.parametrize(("degree", "antialiased"), [(0, False), (0, True), (1, False), (3, False)])
def test_it_shows_what_our_renderer_shows(
    page_of: Callable, opened: Callable, cloud: Callable, camera: Callable, ours: Callable,
    shot: Callable, psnr: Callable, degree: int, antialiased: bool,
) -> None:  # fmt: skip
    splats = cloud(degree=degree, antialiased=antialiased)
    page = opened(page_of(splats, camera(112, 80)), 112, 80)
    views = [camera(112, 80), camera(112, 80, turn=2.4, away=1.2, aside=9)]
    first, second = (ours(splats, view) for view in views)
    assert psnr(first, second) < 25
    assert psnr(shot(page), first) > LEAST
    assert psnr(shot(page, views[1]), second) > LEAST
    requests = [line for line in page.heard if not line.startswith("request: blob:")]
    assert len(requests) == 1, page.heard  # the file itself, and nothing was said
    assert stats(page)["count"] == 400


def test_without_workers_it_sorts_in_slices(
    page_of: Callable, opened: Callable, cloud: Callable, camera: Callable, ours: Callable,
    shot: Callable, psnr: Callable,
) -> None:  # fmt: skip
    page = opened(page_of(), before="window.Worker = undefined;")
    assert stats(page)["sorting"] == "slices"
    assert psnr(shot(page), ours(cloud(), camera())) > LEAST
    assert stats(opened(page_of()))["sorting"] == "worker"


def test_its_camera_moves(page_of: Callable, opened: Callable, shot: Callable) -> None:
    page = opened(page_of())
    begun, seen = stats(page), shot(page)

    def moved(change: Callable[[], None]) -> dict[str, Any]:
        change()
        page.wait_for_timeout(50)
        return stats(page)

    def drag(button: str = "left") -> None:
        page.mouse.move(40, 50)
        page.mouse.down(button=button)
        page.mouse.move(60, 45, steps=3)
        page.mouse.up(button=button)

    turned = moved(drag)
    assert np.abs(shot(page) - seen).max() > 0.1
    np.testing.assert_allclose(turned["target"], begun["target"], atol=1e-6)
    at, before = (np.array(each["position"]) for each in (turned, begun))
    assert np.linalg.norm(at) == pytest.approx(np.linalg.norm(before), rel=0.05)
    assert at[0] < before[0] - 0.5  # dragged to the right, the scene turns to the right

    aside = moved(lambda: drag("right"))
    shift = np.array(aside["position"]) - turned["position"]
    np.testing.assert_allclose(np.array(aside["target"]) - turned["target"], shift, atol=1e-6)
    assert np.linalg.norm(shift) > 0.1
    near = moved(lambda: page.mouse.wheel(0, -300))
    arms = [np.subtract(each["position"], each["target"]) for each in (aside, near)]
    assert np.linalg.norm(arms[1]) < 0.8 * np.linalg.norm(arms[0])
    ahead = moved(lambda: page.keyboard.press("w", delay=120))
    way = np.subtract(ahead["position"], near["position"])
    assert way @ -arms[1] == pytest.approx(np.linalg.norm(way) * np.linalg.norm(arms[1]))
    assert np.linalg.norm(way) > 0.01
    page.keyboard.press("r")
    settle(page)
    np.testing.assert_allclose(stats(page)["position"], begun["position"])
    assert np.abs(shot(page) - seen).max() == 0


def test_fingers_turn_and_pinch(page_of: Callable, opened: Callable) -> None:
    page = opened(page_of())
    begun = stats(page)
    script = """moves => {
      const canvas = document.getElementById("canvas");
      canvas.setPointerCapture = function () {};
      moves.forEach(([type, pointerId, clientX, clientY]) => canvas.dispatchEvent(
        new PointerEvent(type, {pointerId, clientX, clientY, pointerType: "touch"})));
    }"""
    one = [["pointerdown", 7, 30, 40], ["pointermove", 7, 60, 40]]
    page.evaluate(script, [*one, ["pointerup", 7, 60, 40]])
    turned = stats(page)
    assert turned["position"][0] < begun["position"][0] - 0.5
    two = [["pointerdown", 7, 38, 48], ["pointerdown", 8, 58, 48]]
    apart = [["pointermove", 7, 28, 48], ["pointermove", 8, 68, 48]]
    page.evaluate(script, [*two, *apart, ["pointerup", 7, 28, 48], ["pointerup", 8, 68, 48]])
    arms = [np.subtract(each["position"], each["target"]) for each in (turned, stats(page))]
    assert np.linalg.norm(arms[1]) == pytest.approx(np.linalg.norm(arms[0]) / 2, rel=1e-3)


def test_a_double_click_sets_the_middle(
    page_of: Callable, opened: Callable, cloud: Callable, camera: Callable
) -> None:
    """On one large opaque Gaussian aside: what is turned about is on it, under the pointer."""
    one = cloud(n=2)
    one.means[:], one.log_scales[:], one.opacity_logits[:] = [[0.6, -0.4, 0.5]] * 2, -1.6, 8
    page = opened(page_of(one), 480, 384)
    pose, (fx, fy, cx, cy) = camera().world_from_camera[0].numpy(), camera().intrinsics[0].tolist()
    x, y, z = pose[:, :3].T @ (one.means[0] - pose[:, 3])
    settle(page)
    page.mouse.dblclick(240 + 4 * (fx * x / z + cx - 48), 192 + 4 * (fy * y / z + cy - 48))
    np.testing.assert_allclose(stats(page)["target"], one.means[0], atol=0.05)
    assert page.evaluate("polyfield.pointAt(3, 300)") is None


def test_photos_are_chosen_by_keys_and_slider(
    page_of: Callable, opened: Callable, camera: Callable
) -> None:
    turns = (0, 0.5, 1, 1.5)
    cameras = concatenate([camera(turn=turn) for turn in turns])
    page = opened(page_of(cameras=cameras), 600, 400)
    assert page.inner_text("#view") == "photo 1 / 4"
    for press, i in (("3", 2), ("]", 3), ("[", 2), ("7", 2)):
        page.keyboard.press(press)
        np.testing.assert_allclose(stats(page)["position"], cameras.positions[i], atol=1e-6)
    page.fill("#cameras", "1")
    assert page.inner_text("#view") == "photo 2 / 4"
    np.testing.assert_allclose(stats(page)["position"], cameras.positions[1], atol=1e-6)
    page.click("#ask")
    assert page.is_visible("#help")


def test_it_fits_every_window(
    page_of: Callable, opened: Callable, cloud: Callable, camera: Callable, ours: Callable,
    shot: Callable, psnr: Callable,
) -> None:  # fmt: skip
    """A larger window shows the same larger; a fine screen gets more pixels, but not above 2."""
    page = opened(page_of())
    before = shot(page)
    page.set_viewport_size({"width": 144, "height": 144})
    settle(page, "polyfield.stats().width === 144")
    assert before.shape != shot(page).shape
    assert psnr(shot(page), ours(cloud(), camera(144, 144))) > LEAST
    page.set_viewport_size({"width": 200, "height": 96})
    settle(page, "polyfield.stats().width === 200")
    assert psnr(shot(page)[:, 52:148], ours(cloud(), camera())) > 35
    fine = opened(page_of(), device_scale_factor=3)
    assert (stats(fine)["width"], stats(fine)["height"]) == (192, 192)


def test_a_title_is_text(page_of: Callable, opened: Callable) -> None:
    title = """</script><script>document.title = 'x'</script> "a" 'b' & {{data}} <!-- <b>"""
    page = opened(page_of(title=title))
    assert page.title() == title
    assert page.inner_text("#about b") == title
    assert stats(page)["count"] == 400


def test_what_is_missing_is_said_in_the_page(page_of: Callable, opened: Callable) -> None:
    none = "HTMLCanvasElement.prototype.getContext = function () { return null; };"
    old = "window.DecompressionStream = undefined;"
    for before, said in ((none, "needs WebGL2"), (old, "too old: it has no DecompressionStream")):
        page = opened(page_of(), before=before)
        assert said in page.inner_text("#message")
    damaged = page_of()
    text = damaged.read_text(encoding="utf-8").replace(
        '"count":400,"bytes":4', '"count":9,"bytes":4'
    )
    damaged.write_text(text, encoding="utf-8")
    assert "damaged" in opened(damaged).inner_text("#message")


RECTANGLE = np.array([[0, 1, 2], [2, 1, 3]], np.int32)


def rectangle(left: float, right: float, z: float) -> np.ndarray:
    """Corners, from -0.5 to 0.5 up and down: left above, right above, left and right below."""
    return np.array([[x, y, z] for y in (-0.5, 0.5) for x in (left, right)], np.float32)


@pytest.mark.parametrize("textured", [False, True])
def test_triangles_have_their_colors_and_hide_what_is_behind(
    tmp_path: Path, opened: Callable, camera: Callable, look: Callable, shot: Callable,
    psnr: Callable, textured: bool,
) -> None:  # fmt: skip
    """Two upright rectangles before each other: a ramp from left to right, and a green one.

    The farther is named last, so that without depth it would be seen.
    """
    near, far = rectangle(-0.5, 0.5, 0), rectangle(-1.5, 1.5, 3)
    vertices, faces = np.concatenate([near, far]), np.concatenate([RECTANGLE, RECTANGLE + 4])
    ramp, green = np.array([[0, 0, 0.5], [1, 0, 0.5]]), np.array([[0, 0.6, 0.2]])
    colors = np.concatenate([ramp, ramp, green.repeat(4, axis=0)])
    fields: dict[str, Any] = {"vertices": vertices, "faces": faces, "colors": colors}
    if textured:
        share = np.linspace(0, 1, 256)[:, None]
        rows = np.stack([ramp[0] + share * (ramp[1] - ramp[0]), green.repeat(256, axis=0)])
        uvs = [[u, v] for v in (0.75, 0.75) for u in (0.5 / 256, 255.5 / 256)] + [[0.5, 0.25]] * 4
        texture = rows.repeat(64, axis=0)
        fields |= {"uvs": np.array(uvs), "texture": texture}
    view = camera(120, 120)
    mesh_page(SimpleNamespace(**fields), look(view), tmp_path / "a.html")
    page = opened(tmp_path / "a.html", 120, 120)

    expected = np.ones((120, 120, 3))
    (fx, fy, cx, cy), pixels = view.intrinsics[0].tolist(), np.arange(120) + 0.5
    for left, right, z in ((-1.5, 1.5, 6), (-0.5, 0.5, 3)):
        across, down = (pixels - cx) * z / fx, (pixels - cy) * z / fy
        share = ((across - left) / (right - left))[None, :, None]
        color = green[None] if z == 6 else ramp[0] + share * (ramp[1] - ramp[0])
        inside = (abs(down) < 0.5)[:, None, None] & ((share > 0) & (share < 1))
        expected = np.where(inside, color, expected)
    assert psnr(shot(page), expected) > 30
    assert np.abs(shot(page) - expected)[52:68, 44:76].max() < 0.03
    assert page.evaluate("polyfield.pointAt(60, 60)")[2] == pytest.approx(0, abs=0.02)
    assert "4 triangles" in page.text_content("#stats")
    assert not [line for line in page.heard if line.startswith("error")], page.heard
    page.mouse.move(50, 50)
    page.mouse.down()
    page.mouse.move(80, 50)
    page.mouse.up()
    assert psnr(shot(page), expected) < 30
