"""Who draws: the library's own twins, by device, or gsplat."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from functools import cache

import torch

from polyfield.errors import InputError
from polyfield.kernels.choice import forced
from polyfield.kernels.rasterize import gsplat_found

BACKENDS = ("auto", "own", "gsplat")
FIELD = "renderer.backend"
# What gsplat has no numbers for: it sums the depths of surfels' centres, where ours are of where
# rays meet them, and knows no nearest such depth; and medians of Gaussians it does not make at all.
LACKS = {"surfels": "surfels", "median": "median depths"}


def check_backend(backend: str) -> None:
    """Refuse what is no backend."""
    if backend not in BACKENDS:
        raise InputError(field=FIELD, found=backend, expected="auto, own or gsplat")


def by_gsplat(
    backend: str,
    device: torch.device,
    dtype: torch.dtype,
    primitive: str = "gaussians",
    wants: Collection[str] = (),
) -> bool:
    """Whether gsplat is to draw a picture.

    `own` never wants it; `auto` does for what lies on CUDA, where it can and its kernels load.

    Args:
        device, dtype: of the Gaussians.
        primitive, wants: as `rasterize` takes them.

    Raises:
        InputError: where it is asked for by name and cannot.
    """
    check_backend(backend)
    if backend == "own":
        return False
    if backend == "auto" and (forced() or device.type != "cuda"):
        return False
    lacks = [name for key, name in LACKS.items() if key == primitive or key in wants]
    if backend == "auto":
        return not lacks and dtype == torch.float32 and _loads()
    if lacks:
        raise _refusal(f"gsplat, and {lacks[0]}", hint="gsplat has none that are as ours")
    if forced():
        raise _refusal("gsplat, and POLYFIELD_KERNELS=reference", expected="one of the two")
    obstacle = gsplat_found.package_obstacle()
    if obstacle is not None:
        raise _refusal(obstacle, expected=f"gsplat {gsplat_found.SERIES}, or renderer.backend=auto")
    name = f"gsplat {gsplat_found.installed()}"
    if device.type != "cuda":
        expected = "them on CUDA, or renderer.backend=auto"
        raise _refusal(f"{name}, and Gaussians on the {device.type.upper()}", expected)
    if dtype != torch.float32:
        raise _refusal(f"{name}, and {dtype}", expected="float32, or renderer.backend=own")
    obstacle = gsplat_found.extension_obstacle()
    if obstacle is not None:
        raise _refusal(f"{name}, whose CUDA kernels do not load: {obstacle}")
    return True


def _refusal(
    found: str, expected: str = "auto or own", hint: str = gsplat_found.INSTALL
) -> InputError:
    return InputError(field=FIELD, found=found, expected=expected, hint=hint)


@cache
def _loads() -> bool:
    """Whether gsplat is there and its CUDA kernels load; says once why not, where it is there."""
    if gsplat_found.installed() is None:
        return False
    obstacle = gsplat_found.package_obstacle() or gsplat_found.extension_obstacle()
    if obstacle is not None:
        warnings.warn(
            f"Gaussians on CUDA are drawn in plain torch, which is slow: gsplat"
            f" {gsplat_found.installed()} is of no use ({obstacle}); {gsplat_found.INSTALL}",
            stacklevel=2,
        )
    return obstacle is None
