"""From a `Render` to what a person sees: the mode's colours, light and legend.

Letters: h, w pixels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from polyfield.renderers.pictures import Picture, depth_range, normal_picture, picture
from polyfield.renderers.render import Render
from polyfield.viewer.colormaps import SUITS, Legend, colored
from polyfield.viewer.look import Look

TOP_ERROR = 0.25  # difference of sRGB values with the last colour
STEPS = 4096  # of the table of exposed values
NOTHING = 128  # grey of pixels that have no number

Array = NDArray[np.floating]


def paint(
    render: Render,
    look: Look,
    scale: float = 1.0,
    error: Float[np.ndarray, "h w"] | None = None,
) -> tuple[Picture, Legend | None]:
    """The picture of a mode and what its colours mean.

    Args:
        scale: units of the user's data in a unit of the world.
        error: of the mode "error": differences of colours, NaN where there is no photo.
    """
    name = SUITS.get(look.mode, "gray") if look.colors == "auto" else look.colors
    if look.mode == "depth":
        return _depth(render, name, scale)
    if look.mode == "opacity":
        return colored(_array(render.opacity), name), Legend("opacity", 0, 1, name)
    if look.mode == "normals":
        if render.normals is None:
            return _empty(render), Legend("this renderer knows no normals")
        return normal_picture(_array(render.normals)), Legend("+x red, +y green, +z blue")
    if look.mode == "samples":
        return _samples(render, name)
    if look.mode == "error":
        return _error(render, error, name)
    return picture(exposed(_array(render.rgb), look.exposure)), None


def is_finite(render: Render) -> bool:
    """Whether all colours are numbers; those of a diverged run are not."""
    return bool(render.rgb.isfinite().all())


def exposed(rgb: Array, stops: float) -> Array:
    """sRGB colours in light that is 2^stops times as strong."""
    if not stops:
        return rgb
    x = np.linspace(0, 1, STEPS)
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) * 2.0**stops
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    index = np.clip(rgb * (STEPS - 1) + 0.5, 0, STEPS - 1).astype(np.int64)
    found: Array = np.clip(curve, 0, 1)[index]
    return found


def _array(values: object) -> Array:
    found: Array = np.nan_to_num(values.numpy(), nan=0.0, posinf=1e9, neginf=0.0)  # type: ignore[attr-defined]
    return found


def _empty(render: Render) -> Picture:
    return np.full(tuple(render.rgb.shape), NOTHING, np.uint8)


def _depth(render: Render, name: str, scale: float) -> tuple[Picture, Legend]:
    depth, opacity = _array(render.depth), _array(render.opacity)
    near, far = depth_range([depth], [opacity])
    image = colored((depth - near) / (far - near), name, reverse=True)
    image = np.where((opacity > 0.5)[..., None], image, np.uint8(255))
    title = "distance along the ray, units of the data"
    return image, Legend(title, near * scale, far * scale, name, reverse=True)


def _samples(render: Render, name: str) -> tuple[Picture, Legend]:
    counts = render.extras.get("samples")
    if counts is None:
        return _empty(render), Legend("this renderer takes no samples along rays")
    values = _array(counts)
    top = max(float(np.percentile(values, 99)), 1.0)
    return colored(values / top, name), Legend("samples a ray", 0, top, name)


def _error(render: Render, error: Array | None, name: str) -> tuple[Picture, Legend]:
    if error is None:
        return _empty(render), Legend("no photo to compare with, or it is being read")
    image = colored(error / TOP_ERROR, name)
    image = np.where(np.isnan(error)[..., None], np.uint8(NOTHING), image)
    title = "difference from the nearest photo, of sRGB in [0, 1]; grey where it does not look"
    return image, Legend(title, 0, TOP_ERROR, name)
