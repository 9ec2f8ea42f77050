"""Whether gsplat (Ye et al. 2025) is here, and works.

It is a package of others that compiles its CUDA kernels on its user's machine, at its first picture
where they did not come with it. Nothing here imports it, let alone compiles, before it is asked for
by `renderer.backend=gsplat`, or by a picture of tensors that lie on CUDA.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import torch

SERIES = "1.5"  # another has other arguments
INSTALL = "pip install 'gsplat>=1.5,<1.6'"


def installed() -> str | None:
    """The version that is installed, None for none."""
    try:
        return version("gsplat")
    except PackageNotFoundError:
        return None


def package_obstacle() -> str | None:
    """Why the package cannot be used, whatever the device; None where it can."""
    found = installed()
    if found is None:
        return "gsplat, which is not installed"
    return None if found.startswith(f"{SERIES}.") else f"gsplat {found}"


@cache
def extension_obstacle() -> str | None:
    """Why gsplat's CUDA kernels do not load, None where they do; may compile them, for minutes."""
    try:
        from gsplat.cuda._backend import _C
    except Exception as error:  # of a compiler, a linker, an import: whatever it is, it is no use
        reason = (str(error).strip().splitlines() or [""])[0]
        return f"{type(error).__name__}: {reason}".strip(": ")
    return "no CUDA toolkit to compile them with" if _C is None else None


def gsplat_here() -> str:
    """One line for `polyfield info`; compiles nothing."""
    use = "draws Gaussians that lie on CUDA"
    found, obstacle = installed(), package_obstacle()
    if found is None:
        return f"no ({INSTALL}); {use}"
    if obstacle is not None:
        return f"{found}, not used: expected {SERIES} ({INSTALL})"
    if not torch.cuda.is_available():
        reason = "no NVIDIA device or driver" if torch.version.cuda else "torch is a CPU build"
        return f"{found}, not used here: {reason}; {use}"
    return f"{found}, {use}; {_kernels()}"


def _kernels() -> str:
    """Where its CUDA kernels come from."""
    try:
        if importlib.util.find_spec("gsplat.csrc") is not None:
            return "its kernels are compiled"
    except Exception as error:  # of whatever it imports
        return f"but it does not import: {type(error).__name__}"
    from torch.utils.cpp_extension import CUDA_HOME

    if CUDA_HOME is None:
        return "but its kernels are not compiled, and there is no CUDA toolkit to do it with"
    return f"its kernels are compiled at the first picture, with {CUDA_HOME}"
