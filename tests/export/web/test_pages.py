"""Pages as files: what is packed comes back, they are small, and bad input is refused."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from polyfield.benchmarks.splat_files import made
from polyfield.cameras import concatenate
from polyfield.errors import InputError
from polyfield.export.web import mesh_page, splats_page
from polyfield.export.web.gaussians import (
    CHUNK,
    packed_centers,
    packed_quats,
    packed_splats,
    palette_size,
)
from polyfield.export.web.packing import differences, pack
from polyfield.export.web.page import MOST_CAMERAS, SCRIPTS, in_script
from polyfield.splats.smallest_three import from_smallest_three


def scene_of(page: Path) -> dict[str, Any]:
    """What the scripts of a page are told."""
    text = page.read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="scene">(.*?)</script>', text)
    return json.loads(found)


def test_arrays_lie_plane_by_plane() -> None:
    arrays = {
        "a": np.array([[1, 2], [3, 255]], np.uint8),
        "b": np.array([0x0102, 0x0304], np.uint16),
        "c": np.array([0x01020304, 5], np.uint32),
        "d": np.array([1.5, -2], np.float32),
    }
    parts, text = pack(arrays)
    data = gzip.decompress(base64.b64decode(text))
    assert [(part["name"], part["type"], part["count"], part["bytes"]) for part in parts] == [
        *(("a", "plain", 4, 1), ("b", "whole", 2, 2), ("c", "whole", 2, 4), ("d", "float", 2, 4)),
    ]
    assert data[:8] == bytes([1, 2, 3, 255, 2, 4, 1, 3])
    assert data[8:16] == bytes([4, 5, 3, 0, 2, 0, 1, 0])
    assert np.frombuffer(data[16:], "<f4").tolist() == [1.5, -2]
    assert pack(arrays) == pack(arrays)
    np.testing.assert_array_equal(differences(np.array([[3, 1], [1, 7]])), [6, 3, 0, 12])


def test_centers_are_as_fine_as_their_chunk() -> None:
    random = np.random.default_rng(0)
    means = random.normal(size=(2 * CHUNK + 7, 3)).astype(np.float32)
    means[:CHUNK] *= 1e-3
    means[CHUNK : 2 * CHUNK, 1] = 5
    steps, ranges = packed_centers(means)
    of = np.arange(len(means)) // CHUNK
    found = ranges[of, :3] + ranges[of, 3:] * (steps.T / 65535)
    assert (np.abs(found - means) <= ranges[of, 3:] / 65535 * 0.51 + 1e-6).all()
    assert np.abs(found - means)[:CHUNK].max() < 1e-7
    assert (found[CHUNK : 2 * CHUNK, 1] == 5).all()


def test_rotations_are_kept_to_a_thousandth() -> None:
    quats = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    words = packed_quats(quats)
    thirds = np.stack([(words >> shift) & 1023 for shift in (0, 10, 20)], axis=1)
    found = from_smallest_three(
        words >> 30, ((thirds / 1023 - 0.5) * np.sqrt(2)).astype(np.float32)
    )
    cosine = np.abs((found * quats).sum(axis=1)) / np.linalg.norm(quats, axis=1)
    assert cosine.min() > 1 - 4e-6


def test_a_hundred_thousand_gaussians_are_below_four_megabytes(
    tmp_path: Path, camera: Callable, look: Callable
) -> None:
    """Made at random, with every harmonic: learned ones are smaller."""
    splats_page(made(100_000, degree=3), look(camera()), tmp_path / "a.html")
    size = (tmp_path / "a.html").stat().st_size
    assert 2_000_000 < size < 4_000_000
    splats_page(made(100_000, degree=3), look(camera()), tmp_path / "b.html", degree=0)
    assert (tmp_path / "b.html").stat().st_size < 0.85 * size
    assert [palette_size(n) for n in (1, 65_535, 100_000, 10**7)] == [4096, 4096, 8192, 65536]


def test_it_names_nothing_outside_itself(
    tmp_path: Path, cloud: Callable, camera: Callable, look: Callable
) -> None:
    class Named(HTMLParser):
        found: list[str]

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [value or "" for name, value in attrs if name in ("src", "href")]

    splats_page(cloud(), look(camera()), tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    named = Named()
    named.found = []
    named.feed(text)
    assert named.found == ["data:,"]
    assert "://" not in re.sub(r'id="data">[^<]*', "", text)
    assert "default-src 'none'" in text
    assert not re.search(r"\bimport\b|\bfetch\(|{{", text)
    folder = Path(splats_page.__code__.co_filename).parent / "page"
    assert {file.stem for file in folder.glob("*.js")} == set(SCRIPTS)


def test_text_ends_no_script() -> None:
    value = {"a": "</script><!-- & 'b' \"c\" ü"}
    text = in_script(value)
    assert not set("<>&") & set(text)
    assert json.loads(text) == value


def test_many_cameras_are_thinned_evenly(
    tmp_path: Path, cloud: Callable, camera: Callable, look: Callable
) -> None:
    cameras = concatenate([camera(turn=i / 100) for i in range(2 * MOST_CAMERAS - 1)])
    splats_page(cloud(), look(cameras), tmp_path / "a.html")
    found = scene_of(tmp_path / "a.html")["cameras"]
    assert len(found) == MOST_CAMERAS
    poses = cameras.world_from_camera[::2].flatten(1).numpy()
    np.testing.assert_allclose([each["pose"] for each in found], poses, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found[0]["lens"], [*cameras.intrinsics[0], 96, 96], rtol=1e-6)


def test_what_is_of_no_use_is_left_out(
    tmp_path: Path, cloud: Callable, camera: Callable, look: Callable
) -> None:
    splats = cloud(n=30, degree=2)
    splats.opacity_logits[:] = 1
    splats.means[0], splats.opacity_logits[1:3] = np.inf, -9
    out = tmp_path / "a.html"
    written, dropped = splats_page(splats, look(camera()), out)
    assert (len(written), dropped) == (27, {"not finite": 1, "nearly transparent": 2})
    assert {scene_of(out)[key] for key in ("count", "harmonics")} == {27, 8}
    kept = splats_page(splats, look(camera()), out, keep_transparent=True, overwrite=True)
    assert len(kept.splats) == scene_of(out)["count"] == 29
    splats.opacity_logits[:] = -9
    with pytest.raises(InputError, match=r"scene\.ply: no Gaussian is left, found 30: 1 not"):
        splats_page(splats, look(camera()), tmp_path / "b.html", source=Path("scene.ply"))
    assert [file.name for file in tmp_path.iterdir()] == ["a.html"]


def test_one_gaussian_is_a_scene(cloud: Callable) -> None:
    scene, arrays = packed_splats(cloud(n=1, degree=3))
    assert (scene["count"], scene["palette"]) == (1, 1)
    assert all(np.isfinite(array).all() for array in arrays.values())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.htm", None),
        ("a.HTML", None),
        ("a.ply", r"a\.ply: expected a name that ends in \.html"),
        ("there.html", r"there\.html: is there already \(overwrite=true"),
        ("folder.html", r"folder\.html: found a folder"),
        ("gone/a.html", "gone: no such folder"),
    ],
)
def test_where_it_can_be_written(
    tmp_path: Path, cloud: Callable, camera: Callable, look: Callable, name: str, message: str
) -> None:
    (tmp_path / "there.html").write_text("mine")
    (tmp_path / "folder.html").mkdir()
    if message is None:
        splats_page(cloud(n=5), look(camera()), tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8").startswith("<!doctype html>")
        return
    with pytest.raises(InputError, match=message):
        splats_page(cloud(n=5), look(camera()), tmp_path / name)
    assert (tmp_path / "there.html").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"faces": np.zeros((0, 3), int)}, "nothing to show, found no triangle"),
        ({"faces": np.array([[0, 1, 3]])}, "mesh: faces: found corners 0 to 3, expected 0 to 2"),
        ({"vertices": np.full((3, 3), np.nan)}, "mesh: vertices: found what is not finite"),
        ({"colors": np.zeros((2, 3))}, r"mesh: colors: found \[2, 3\], expected \[3, 3\]"),
    ],
)
def test_meshes_that_cannot_be_shown(
    tmp_path: Path, camera: Callable, look: Callable, changes: dict[str, Any], message: str
) -> None:
    fields = {"vertices": np.eye(3), "faces": np.array([[0, 1, 2]]), **changes}
    with pytest.raises(InputError, match=message):
        mesh_page(SimpleNamespace(**fields), look(camera()), tmp_path / "a.html")
    assert not list(tmp_path.iterdir())
