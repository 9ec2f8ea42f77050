"""Block functions, and the templates that are compiled from them.

A *block function* is a plain numba function over a few hundred points that stay in cache: a
backbone's `encode` and its backward, a decoder's layers. A *template* is a kernel that calls block
functions by global names (`march_ray`...). `specialise` rebinds those names and compiles the
result. What differs between backbones and decoders is reached by address instead: see
`kernels.links`.

Only specialised kernels are cached on disk. Their names carry a digest of the sources they are
made of, because numba's cache looks at the template's file alone and would run stale code.
"""

from __future__ import annotations

import hashlib
import inspect
import types
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit

# Fast arithmetic that still propagates NaN and infinity: a diverged field must be seen, not hidden.
FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}

Block = Callable[..., Any]


def unbound(*_: Any) -> Any:
    """What a template's block functions are until `specialise` binds them."""
    raise TypeError("a template must be specialised before it is called")


def block(function: Block) -> Block:
    """Compile a function that kernels call; compiled into its callers, never cached by itself."""
    return njit(error_model="numpy", fastmath=FAST)(function)


def leaf(function: Block) -> Block:
    """A block function that makes no arrays, so that it need not count who uses those it is given.

    The counting costs a call an array, which shows where a function is called for every ray.
    """
    uncounted: dict[str, Any] = {"_nrt": False}  # known to numba, not to its types
    return njit(error_model="numpy", fastmath=FAST, **uncounted)(function)


_variants: dict[str, Block] = {}


def variant(function: Block, **constants: Any) -> Block:
    """A block function with global constants of its own (dimensions, widths), known in compiling.

    `function` may be a block function or a plain one; constants may be block functions as well.
    """
    return _variant(function, block, constants)


def leaf_variant(function: Block, **constants: Any) -> Block:
    """As `variant`, of a function that makes no arrays: see `leaf`."""
    return _variant(function, leaf, constants)


def _variant(
    function: Block, kind: Callable[[Block], Block], constants: Mapping[str, Any]
) -> Block:
    plain = getattr(function, "py_func", function)
    label = ",".join(f"{key}={name_of(value)}" for key, value in sorted(constants.items()))
    key = f"{plain.__module__}.{plain.__qualname__}[{label}]{kind.__name__}"
    if key not in _variants:
        _variants[key] = kind(rebound(plain, f"{plain.__qualname__}[{label}]", constants))
    return _variants[key]


def rebound(function: Block, name: str, constants: Mapping[str, Any] | None = None) -> Block:
    """The plain function behind a block function, under another name, with other globals."""
    plain = getattr(function, "py_func", function)
    scope = {**plain.__globals__, **(constants or {})}
    made = types.FunctionType(plain.__code__, scope, plain.__name__)
    made.__qualname__, made.__module__ = name, plain.__module__
    made.__defaults__ = plain.__defaults__
    return made


@cache
def _file_digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def name_of(value: Any) -> str:
    """What tells a binding from others: a block function's module, name, source; or the value."""
    function = getattr(value, "py_func", None)
    if function is None:
        return repr(value)
    source = _file_digest(inspect.getfile(function))
    return f"{function.__module__}.{function.__qualname__}:{source}"


@cache
def kernels_digest() -> str:
    """Of all sources of kernels: part of the name of whatever is cached."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256("".join(_file_digest(str(file)) for file in files).encode()).hexdigest()


_compiled: dict[str, Block] = {}


def specialise(template: Block, parallel: bool = True, **bindings: Any) -> Block:
    """Compile `template` with its global names bound to `bindings` (block functions or constants).

    The recipe keeps numba's disk cache working across processes, which closures and functions
    passed as arguments do not: an ordinary function with other globals and a name of its own.
    """
    parts = [kernels_digest(), template.__module__, template.__qualname__, str(parallel)]
    parts += [f"{name}={name_of(value)}" for name, value in sorted(bindings.items())]
    digest = hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
    if digest not in _compiled:
        function = rebound(template, f"{template.__name__}_{digest}", bindings)
        _compiled[digest] = njit(
            parallel=parallel, cache=True, error_model="numpy", fastmath=FAST, nogil=True
        )(function)
    return _compiled[digest]
