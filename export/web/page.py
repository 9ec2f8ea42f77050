"""The text of a page: template, style and scripts of `page/`, and what it is to show.

A page opens from the disk, where a browser lets it load nothing: no module, no file beside it. So
scripts are put one behind the other into one function, and nothing is named that is not within; a
policy in its head forbids it to ask anything of a network.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from polyfield.cameras import Cameras
from polyfield.durable import replace_file
from polyfield.errors import InputError
from polyfield.export.web.packing import pack
from polyfield.version import __version__

SUFFIXES = (".html", ".htm")
SCRIPTS = (
    *("math", "decode", "gl", "sort", "splat_shaders", "splats", "mesh"),
    *("surface", "quality", "controls", "panel", "viewer"),
)
MOST_CAMERAS = 200  # of a slider
DIGITS = 8  # significant, of a number of a pose


@dataclass(frozen=True)
class Look:
    """How a scene is looked at.

    Attributes:
        cameras: at least one, in the frame of the scene; the first is where a page begins. Lenses
            are taken for pinholes.
        up: unit vector in that frame.
        near: least distance along the optical axis of what is shown, units of the scene.
        background: sRGB behind everything.
        title: plain text.
        of_photos: whether the cameras are those of photos.
    """

    cameras: Cameras
    up: tuple[float, float, float]
    near: float
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)
    title: str = "scene"
    of_photos: bool = True


def check_page(out: Path, overwrite: bool = False) -> None:
    """Whether a page can be written there, before anything is done for it.

    Raises:
        InputError: for another ending, a folder, a file that is there already, or a folder that is
            not.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise InputError(file=out, expected="a name that ends in .html")
    if out.is_dir():
        raise InputError(file=out, found="a folder", expected="the name of a file")
    if out.exists() and not overwrite:
        raise InputError("is there already", file=out, hint="overwrite=true replaces it")
    if not out.parent.is_dir():
        raise InputError("no such folder", file=out.parent)


def write_page(
    out: str | os.PathLike[str],
    look: Look,
    scene: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    center: Float[np.ndarray, "3"],
    radius: float,
) -> int:
    """Write a page whole or not at all.

    Args:
        scene: plain data that its scripts read: `kind`, `said` (what it holds) and more by kind.
        arrays: what they unpack.
        center: what a camera turns about; radius: of what is to be in view, units of the scene.

    Returns:
        its size in bytes.

    Raises:
        OSError: for a file that cannot be written.
    """
    packed = pack(arrays)
    description = {
        **scene,
        "parts": packed.parts,
        "cameras": _cameras(look.cameras),
        "view_name": "photo" if look.of_photos else "view",
        "up": list(look.up),
        "near": float(look.near),
        "background": list(look.background),
        "center": np.asarray(center, float).tolist(),
        "radius": float(radius),
    }
    text = page_text(look.title, description, packed.text, look.background)
    data = text.encode()
    replace_file(Path(out), data)
    return len(data)


def page_text(
    title: str,
    description: Mapping[str, Any],
    data: str,
    background: tuple[float, float, float],
) -> str:
    """The page. Title and description may hold anything: quotes, `</script>`, any script."""
    folder = resources.files("polyfield.export.web") / "page"

    def read(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8").strip()

    color = "#" + "".join(f"{round(255 * min(max(c, 0), 1)):02x}" for c in background)
    scripts = "\n\n".join(read(f"{name}.js") for name in SCRIPTS)
    filled = {
        "title": html.escape(" ".join(title.split())),
        "generator": f"polyfield {__version__}",
        "style": f"html {{ --behind: {color}; }}\n{read('page.css')}",
        "scene": in_script(description),
        "data": data,
        "script": f'(function () {{\n"use strict";\n\n{scripts}\n}})();',
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found[1]], read("page.html")) + "\n"


def in_script(value: Any) -> str:
    """JSON that ends no element of a page."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _cameras(cameras: Cameras) -> list[dict[str, list[float]]]:
    """Pose, 12 numbers row by row, and fx, fy, cx, cy, width, height of some, evenly chosen."""
    if not len(cameras):
        raise InputError(field="cameras", found="none", expected="at least one to begin at")
    count = min(len(cameras), MOST_CAMERAS)
    chosen = np.linspace(0, len(cameras) - 1, count).round().astype(int)
    return [
        {
            "pose": _short(cameras.world_from_camera[i].flatten().tolist()),
            "lens": _short(cameras.intrinsics[i].tolist()) + cameras.size[i].tolist(),
        }
        for i in chosen.tolist()
    ]


def _short(numbers: list[float]) -> list[float]:
    return [float(f"{number:.{DIGITS}g}") for number in numbers]
