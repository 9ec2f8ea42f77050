"""A page of triangles: with a texture, with the colours of their corners, or grey.

Places have 16 bits an axis within the box of all, corners of triangles are differences to the one
before. Letters: n vertices, m triangles, h, w pixels of a texture.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from polyfield.errors import InputError
from polyfield.export.web.packing import bytes_of, differences
from polyfield.export.web.page import Look, check_page, write_page

STEPS = 65535
QUALITY = 92  # of WebP
LARGEST_SIDE = 16383  # of WebP


class Surface(Protocol):
    """What a page needs of a mesh.

    Where it has them and they are not None, too: `colors`, [n,3] sRGB in [0, 1] of vertices; `uvs`,
    [n,2] in [0, 1] from the lower left corner, and `texture`, [h,w,3] sRGB, uint8 or in [0, 1].
    """

    @property
    def vertices(self) -> Float[np.ndarray, "n 3"]:
        """Places."""

    @property
    def faces(self) -> Int[np.ndarray, "m 3"]:
        """Corners."""


def mesh_page(
    mesh: Surface, look: Look, out: str | os.PathLike[str], *, overwrite: bool = False
) -> int:
    """Write a page of a surface; its size in bytes.

    Args:
        mesh: a `Mesh`, or anything like it; a texture goes before colours.
        look: cameras and the rest, in its frame.
        out: ends in .html.
        overwrite: whether a file that is there is replaced.

    Raises:
        InputError: as `check_page`, for a mesh without triangles, with a place that is not finite,
            or a corner that is no vertex.
        OSError: for a file that cannot be written.
    """
    out = Path(out)
    check_page(out, overwrite)
    vertices, faces = _checked(mesh, out)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    arrays: dict[str, np.ndarray] = {
        "places": np.rint((vertices - low) / span * STEPS).T.astype(np.uint16),
        "corners": differences(faces),
    }
    scene: dict[str, Any] = {
        "kind": "mesh",
        "said": f"{len(faces):,} triangles",
        "count": len(faces),
        "low": low.tolist(),
        "span": span.tolist(),
    }
    painted, image_type = _paint(mesh, len(vertices))
    center, radius = (low + high) / 2, float(np.linalg.norm(high - low) / 2)
    scene |= {"image_type": image_type, "extent": radius}
    return write_page(out, look, scene, {**arrays, **painted}, center, radius or 1.0)


def _paint(mesh: Surface, n: int) -> tuple[dict[str, np.ndarray], str | None]:
    """Arrays of a texture or of colours, and the type of the texture's file."""
    colors, uvs, texture = (getattr(mesh, name, None) for name in ("colors", "uvs", "texture"))
    if uvs is not None and texture is not None:
        _check_shape("uvs", uvs, (n, 2))
        steps = np.rint(np.clip(uvs, 0, 1) * STEPS).T.astype(np.uint16)
        return {"uvs": steps, "image": bytes_of(webp_of(_bytes(texture)))}, "image/webp"
    if colors is not None:
        _check_shape("colors", colors, (n, 3))
        return {"colors": _bytes(colors)}, None
    return {}, None


def webp_of(pixels: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """A picture as a lossy WebP file."""
    if max(pixels.shape[:2]) > LARGEST_SIDE:
        found = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise InputError(field="texture", found=found, expected=f"up to {LARGEST_SIDE} pixels")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=QUALITY)
    return file.getvalue()


def _bytes(colors: np.ndarray) -> np.ndarray:
    """The nearest bytes to sRGB in [0, 1]; bytes as they are."""
    if colors.dtype == np.uint8:
        return colors
    return np.rint(np.clip(np.nan_to_num(colors), 0, 1) * 255).astype(np.uint8)


def _checked(mesh: Surface, out: Path) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces)
    if not len(faces) or not len(vertices):
        raise InputError("nothing to show", file=out, field="mesh", found="no triangle")
    if not np.isfinite(vertices).all():
        raise InputError(field="mesh: vertices", found="what is not finite", expected="numbers")
    if faces.min() < 0 or faces.max() >= len(vertices):
        found = f"corners {faces.min()} to {faces.max()}"
        raise InputError(field="mesh: faces", found=found, expected=f"0 to {len(vertices) - 1}")
    return vertices, faces


def _check_shape(name: str, array: np.ndarray, shape: tuple[int, int]) -> None:
    if array.shape != shape:
        raise InputError(field=f"mesh: {name}", found=list(array.shape), expected=list(shape))
