"""What this installation has: versions, machine, threads, and which kernels are live."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polyfield
from polyfield.commands.backbones import installed
from polyfield.commands.choices import choices
from polyfield.commands.text import size

REQUIRED = ("torch", "numba", "numpy", "scipy", "hydra-core")
OPTIONAL = {
    "pycolmap": "colmap",
    "tensorboard": "log",
    "wandb": "log",
    "open3d": "mesh",
    "xatlas": "mesh",
    "matplotlib": "plots",
    "lpips": None,
}


def installation() -> dict[str, Any]:
    """Facts by name, as `polyfield info` prints them."""
    return {
        "polyfield": f"{polyfield.__version__} in {Path(str(polyfield.__file__)).parent}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in REQUIRED},
        "optional": {name: _optional(name, extra) for name, extra in OPTIONAL.items()},
        "machine": machine(),
        "kernels": kernels(),
    }


def _optional(name: str, extra: str | None) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        found = importlib.util.find_spec(name) is not None
        install = f"'polyfield[{extra}]'" if extra else name
        return "present" if found else f"no (pip install {install})"


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, GPU."""
    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no"
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": f"{allowed} of {os.cpu_count()}",
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "memory": _memory(),
        "cuda": gpu,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> str | None:
    try:
        return size(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def kernels() -> dict[str, Any]:
    """Which twin serves this process, on how many threads, and which fields run fused."""
    import numba
    import torch

    from polyfield.kernels.rasterize.gsplat_found import gsplat_here

    forced = os.environ.get("POLYFIELD_KERNELS")
    return {
        "live": "reference (POLYFIELD_KERNELS)" if forced == "reference" else "cpu, by numba",
        "numba threads": numba.get_num_threads(),
        "torch threads": torch.get_num_threads(),
        "threading layer": threading_layer(),
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "not set"),
        "fields": fields(),
        "gsplat": gsplat_here(),
        "fields of other packages": {n: p.value for n, p in installed().items()} or None,
    }


def threading_layer() -> str:
    """The layer that numba's parallel loops run on; known once one has run."""
    import numba
    import numpy as np

    @numba.njit(parallel=True, cache=True)
    def fill(out):  # type: ignore[no-untyped-def]
        for i in numba.prange(out.size):
            out[i] = i

    from polyfield.kernels.launch import launch

    with launch():
        fill(np.empty(8))
    return str(numba.threading_layer())


def fields() -> dict[str, str]:
    """Per field how it trains and renders, found by making each: most as one fused operation."""
    import torch

    from polyfield.commands.schema import configuration
    from polyfield.training.instantiate import make

    found = {}
    for name in choices("field"):
        if name == "custom":  # whatever its user makes it
            continue
        with torch.random.fork_rng(devices=[]):
            node = configuration(f"field={name}")["field"]
            node = {key: value for key, value in node.items() if value is not None}
            field = make(node, kind=torch.nn.Module, field="field")
        found[name] = _way(field)
    return found


def _way(field: Any) -> str:
    from polyfield.fields.backbone import Backbone

    if not isinstance(field, Backbone):
        return "rasterised"
    return "modular, by autograd" if field.kernels is None else "fused"
