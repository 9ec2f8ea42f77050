"""Compiling the large templates in processes of their own, beside everything else that is new.

What is not in numba's cache yet takes seconds, one after the other in one process, and leaves some
hundred megabytes with it. The two directions of the render step are the largest by far; where they
are missing, a process each compiles them into the cache, from where this one reads them.

    python -m polyfield.kernels.ahead backward float32

compiles one of `TEMPLATES`. Should that fail, the template is compiled where it is called, as any.
"""

from __future__ import annotations

import atexit
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import from_dtype, types

from polyfield.kernels import render
from polyfield.kernels.blocks import Block, specialise
from polyfield.kernels.frames import encoding_type

number, flag = types.int64, types.boolean
whole, indices = types.int64[::1], types.int32[:, ::1]


def _fields(f: Any) -> tuple[Any, ...]:
    """Types of a stash's arrays; see `volume.Stash`."""
    flat, cube = f[:, ::1], f[:, :, ::1]
    rows = (indices, flat, flat, cube, cube, flat, flat, flat, flat, cube)
    return (*rows, indices, indices, cube, cube, cube)


def _forward(distances: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def signature(f: Any) -> tuple[Any, ...]:
        rays = (f[:, ::1], f[:, ::1], f[::1], f[:, ::1], f[::1])
        geometry = (whole, f[::1], distances(f), f[::1], number)
        field = (encoding_type(f), number, number, number, number, f[::1], whole)
        color = (number, f[::1], whole)
        return (
            *rays, *geometry, *field, *color, flag, number, number, *_fields(f), f[:, ::1],
            whole, whole, whole,
        )  # fmt: skip

    return signature


def _backward(f: Any) -> tuple[Any, ...]:
    rays = (f[:, ::1], f[:, ::1], f[:, ::1], whole, f[::1], f[::1])
    field = (encoding_type(f), number, number, number, number, f[::1], whole)
    color = (number, f[::1], whole)
    gradients = (f[:, ::1], f[::1], f[:, ::1], f[:, ::1], f[:, ::1], f[:, :, :, ::1], flag)
    return (
        *rays, *field, *color, *_fields(f), f[:, ::1], whole, whole, *gradients, f[:, ::1],
        f[:, ::1],
    )  # fmt: skip


class Template(NamedTuple):
    """A kernel that is compiled apart.

    Args:
        function: of `kernels.render`.
        signature: its arguments' types, for a floating type.
        bindings: module and names of what it is bound to, beside its defaults.
    """

    function: Block
    signature: Callable[[Any], tuple[Any, ...]]
    bindings: tuple[str, dict[str, str]] | None = None

    def kernel(self) -> Any:
        """What `specialise` makes of it."""
        if self.bindings is None:
            return specialise(self.function)
        module, names = self.bindings
        home = importlib.import_module(module)
        return specialise(self.function, **{k: getattr(home, v) for k, v in names.items()})


LISTED = (
    "polyfield.kernels.listed",
    {"march_ray": "listed_ray", "ray_span": "listed_span", "bundle_start": "no_bundle"},
)
TEMPLATES = {
    "forward": Template(render.render_forward, _forward(lambda f: types.uint8[::1])),
    "listed": Template(render.render_forward, _forward(lambda f: f[:, ::1]), LISTED),
    "backward": Template(render.render_backward, _backward),
}
_running: dict[str, subprocess.Popen[bytes]] = {}
_known: set[str] = set()


def start(*names: str) -> None:
    """Begin to compile those of `TEMPLATES`, for float32, that nobody has compiled yet."""
    for name in names:
        if name in _known:
            continue
        _known.add(name)
        if on_disk(TEMPLATES[name].kernel()):
            continue
        nowhere = subprocess.DEVNULL
        try:
            _running[name] = subprocess.Popen(
                [sys.executable, "-m", __name__, name, "float32"],
                stdin=nowhere,
                stdout=nowhere,
                stderr=nowhere,
            )
        except OSError:  # no process to be had: it is compiled here, then
            continue


def kernel(name: str) -> Block:
    """One of `TEMPLATES`, ready to be called; waits for the process that compiles it."""
    process = _running.pop(name, None)
    if process is not None:
        process.wait()
    return TEMPLATES[name].kernel()


def on_disk(compiled: Any) -> bool:
    """Whether numba's cache has a kernel, for any types."""
    folder = Path(compiled.stats.cache_path)
    return any(folder.glob(f"*{compiled.py_func.__qualname__}*.nbi"))


def compile_template(name: str, dtype: str) -> None:
    """Compile one of `TEMPLATES` into the cache."""
    template = TEMPLATES[name]
    template.kernel().compile(template.signature(from_dtype(np.dtype(dtype))))


@atexit.register
def _stop() -> None:
    for process in _running.values():
        process.kill()


if __name__ == "__main__":
    compile_template(*sys.argv[1:])
