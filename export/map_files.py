"""Depths and normals of views as folders of pictures, and how to read them back.

A folder has a file for each view, named as its photo, and `transforms.json` with the cameras of all
of them, in the same frame: our own loader reads depths with it, and other programs that know
nerfstudio's `depth_file_path`.

Letters: h x w pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from jaxtyping import Float

from polyfield.errors import InputError

MOST = 65535  # that 16 bits hold
ENDINGS = (".png", ".npy", ".tif")


def step_of(farthest: float) -> float:
    """The depth that one step of a 16-bit file stands for: 1, 2 or 5 times a power of ten, the
    least with which the farthest is held.
    """
    least = max(farthest, 1e-12) / (MOST - 1)
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least)


def write_depth(path: Path, depth: Float[np.ndarray, "h w"], step: float) -> None:
    """Write z-depths, 0 where there is none.

    Args:
        path: ends in .png for 16 bits, in .npy or .tif for float32.
        step: of depth that one of a .png stands for; what is farther than it holds is left out.
    """
    if path.suffix == ".png":
        counts = np.rint(depth / step)
        iio.imwrite(path, np.where(counts <= MOST, counts, 0).astype(np.uint16), plugin="pillow")
    else:
        _floats(path)(depth.astype(np.float32))


def write_normals(path: Path, normals: Float[np.ndarray, "h w 3"]) -> None:
    """Write unit normals, 0 where there is none.

    Args:
        path: ends in .png for 8 bits, 128 + 127 times the component, in .npy or .tif for float32.
    """
    if path.suffix == ".png":
        iio.imwrite(path, np.rint(128 + 127 * normals).astype(np.uint8), plugin="pillow")
    else:
        _floats(path)(normals.astype(np.float32))


def _floats(path: Path) -> Callable[[np.ndarray], object]:
    if path.suffix == ".npy":
        return lambda values: np.save(path, values)
    import tifffile

    return lambda values: tifffile.imwrite(path, values)


def checked_ending(name: str) -> str:
    """The ending of files by the name of their encoding; InputError for one that there is not."""
    ending = f".{str(name).lower().removeprefix('.')}"
    if ending not in ENDINGS:
        expected = " or ".join(each[1:] for each in ENDINGS)
        raise InputError(field="encoding", found=name, expected=expected)
    return ending
