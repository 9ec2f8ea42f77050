"""What is asked of a rasteriser, checked."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels.rasterize.projection_reference import degree_of
from polyfield.kernels.rasterize.records import PinholeView

PRIMITIVES = ("gaussians", "surfels")
WANTS = ("z_depth", "median", "normals")
PAIRS_MOST = 1 << 29  # of a Gaussian and a tile; each takes 16 bytes
SURFEL_WANTS = (*WANTS, "distortion")


def checked_degree(
    sh_rest: Tensor, degree: int | None, wants: Collection[str], known: Collection[str] = WANTS
) -> int:
    """The degree of harmonics that counts, where that and what is wanted can be had.

    Raises:
        InputError: for a degree that there is not, or something else wanted.
    """
    most = degree_of(sh_rest.shape[1])
    degree = most if degree is None else degree
    if not 0 <= degree <= most:
        raise InputError(field="degree", found=degree, expected=f"0 to {most}")
    unknown = set(wants) - set(known)
    if unknown:
        raise InputError(field="wants", found=min(unknown), expected=", ".join(known))
    return degree


def check_lengths(means: Tensor, *others: Tensor) -> None:
    """Refuse arrays that belong to another number of Gaussians: kernels look at no bounds."""
    n, names = len(means), ("quats", "log_scales", "opacity_logits", "sh_dc", "sh_rest")
    ends: tuple[tuple[int, ...], ...] = ((4,), (3,), (), (3,), (others[-1].shape[1], 3))
    for name, array, end in zip(names, others, ends, strict=True):
        if tuple(array.shape) != (n, *end):
            raise InputError(field=name, found=list(array.shape), expected=[n, *end])


def check_pairs(m: int, q: int, size: tuple[int, int], most: int = PAIRS_MOST) -> None:
    """Refuse a picture that would take more memory than any machine should be asked for.

    Args:
        m: Gaussians in it; q: tiles that they touch, counted for each of them.
        size: of the picture, width and height.
    """
    if q > most:
        raise InputError(
            field="Gaussians",
            found=f"{m:,} on {q:,} tiles of a picture of {size[0]} x {size[1]}",
            expected=f"{most:,} tiles or fewer",
            hint="a smaller picture, or smaller or fewer Gaussians",
        )


def check_size(view: PinholeView) -> None:
    """Refuse a picture without pixels."""
    if view.width < 1 or view.height < 1:
        size = f"{view.width} x {view.height}"
        raise InputError(field="size", found=size, expected="at least a pixel")


def check_primitive(primitive: str, antialiased: bool, node: str | None = None) -> None:
    """Refuse a primitive that there is not, and surfels that are antialiased.

    Args:
        node: of the configuration, where they come from there.
    """
    place = f"{node}." if node else ""
    if primitive not in PRIMITIVES:
        raise InputError(
            field=f"{place}primitive", found=primitive, expected=" or ".join(PRIMITIVES)
        )
    if primitive == "surfels" and antialiased:
        expected = "false: surfels have a low-pass of their own"
        raise InputError(field=f"{place}antialiased", found="true, and surfels", expected=expected)
