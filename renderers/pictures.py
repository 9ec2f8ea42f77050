"""8-bit pictures of rendered quantities, and PNG files of them.

Letters: h, w pixels. All arrays are [h, w, ...]; pictures are uint8 sRGB [h, w, 3].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]

# Polynomials in x of Turbo's red, green and blue (Mikhailov 2019), lowest power first.
TURBO = np.array(
    [
        [0.13572138, 4.61539260, -42.66032258, 132.13108234, -152.94239396, 59.28637943],
        [0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604],
        [0.10667330, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973],
    ]
)


def picture(values: NDArray[np.floating]) -> Picture:
    """sRGB or grey values in [0, 1], [h, w, 3] or [h, w], as a picture."""
    values = np.asarray(values)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=-1)
    return np.asarray(np.clip(values, 0.0, 1.0) * 255.0 + 0.5, dtype=np.uint8)


def turbo(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """The Turbo colour map: [...] in [0, 1], blue to red -> sRGB [..., 3]."""
    powers = np.clip(x, 0.0, 1.0)[..., None] ** np.arange(TURBO.shape[1])
    return np.clip(powers @ TURBO.T, 0.0, 1.0)


def depth_range(
    depths: Sequence[NDArray[np.floating]], opacities: Sequence[NDArray[np.floating]]
) -> tuple[float, float]:
    """The distances that colours should span: the 1st to 99th percentile of what was hit.

    Args:
        depths: [h, w] each.
        opacities: [h, w] each; where below one half, nothing was hit.
    """
    hit = np.concatenate([d[o > 0.5].ravel() for d, o in zip(depths, opacities)])
    if hit.size == 0:
        return 0.0, 1.0
    near, far = np.percentile(hit, [1, 99])
    return float(near), float(max(far, near * (1 + 1e-3) + 1e-6))


def depth_picture(
    depth: NDArray[np.floating], opacity: NDArray[np.floating], span: tuple[float, float]
) -> Picture:
    """Depth in colours, red near and blue far, white where nothing was hit.

    Args:
        depth: [h, w].
        opacity: [h, w].
        span: the distances of pure red and blue.
    """
    near, far = span
    colors = turbo(1.0 - (depth - near) / (far - near))
    return picture(np.where((opacity > 0.5)[..., None], colors, 1.0))


def normal_picture(normals: NDArray[np.floating]) -> Picture:
    """Unit normals [h, w, 3] as colours: +x red, +y green, +z blue; white where there is none."""
    found = np.linalg.norm(normals, axis=-1, keepdims=True) > 0.5
    return picture(np.where(found, 0.5 * (normals + 1.0), 1.0))


def error_picture(truth: Picture, render: Picture, top: float = 0.25) -> Picture:
    """The absolute difference in colours, black for none and white for `top` and beyond."""
    difference = np.abs(truth.astype(np.float32) - render.astype(np.float32)).mean(axis=-1) / 255
    x = np.clip(difference / top, 0.0, 1.0)
    # Black, red, yellow, white, evenly spaced.
    return picture(np.stack([3 * x, 3 * x - 1, 3 * x - 2], axis=-1))


def contact_sheet(
    rows: Sequence[Sequence[Picture]], titles: Sequence[str], gap: int = 6
) -> Picture:
    """Pictures of one size in rows under column titles."""
    h, w = rows[0][0].shape[:2]
    title_height = 24
    height = title_height + len(rows) * (h + gap) + gap
    sheet = Image.new("RGB", (len(titles) * (w + gap) + gap, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for column, title in enumerate(titles):
        x = gap + column * (w + gap)
        draw.text((x, 7), title, fill="black", font=font)
        for i, row in enumerate(rows):
            sheet.paste(Image.fromarray(row[column]), (x, title_height + gap + i * (h + gap)))
    return np.asarray(sheet)


def write_picture(path: Path, image: Picture) -> None:
    """Write a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, image, plugin="pillow", extension=".png")
