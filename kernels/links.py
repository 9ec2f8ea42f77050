"""Block functions that templates reach by address.

What differs between backbones and between decoders is compiled by itself, once, with a signature
that all of its kind share (a *prototype*); a template gets its address and jumps there. So a
template is compiled once for all backbones and decoders, and a backbone once for all templates.
A jump costs nothing beside the hundreds of points that a block function works on.

Letters: f a floating type. `docs/decisions/links.md` says why this took the place of binding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import cfunc, from_dtype, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from polyfield.kernels.blocks import FAST, Block, kernels_digest, name_of, rebound

Prototype = Callable[[Any], tuple[Any, ...]]
"""The types of the arguments for a floating type f; the first argument's dtype is f."""


def caller(prototype: Prototype) -> Block:
    """What kernels call: `call(address, (arguments...))`, nothing comes back.

    Arguments are cast to the prototype's types; those that cannot be are refused in compiling.
    """

    @intrinsic  # type: ignore[misc]
    def call(typing_context, address, arguments):  # type: ignore[no-untyped-def]
        wanted = prototype(arguments.types[0].dtype)
        fits = len(wanted) == len(arguments.types) and all(
            typing_context.can_convert(a, b) is not None for a, b in zip(arguments.types, wanted)
        )
        if not fits:
            raise TypingError(f"called with {arguments.types}, expected {wanted}")

        def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
            given = cgutils.unpack_tuple(builder, values[1])
            pairs = zip(given, arguments.types, wanted, strict=True)
            cast = [context.cast(builder, value, a, b) for value, a, b in pairs]
            kinds = [context.get_value_type(kind) for kind in wanted]
            function = ir.FunctionType(context.get_value_type(types.void), kinds)
            builder.call(builder.inttoptr(values[0], function.as_pointer()), cast)
            return context.get_dummy_value()

        return types.void(types.int64, arguments), generate

    return call  # type: ignore[no-any-return]


class Link(NamedTuple):
    """A block function and the prototype by which it is called."""

    function: Block
    prototype: Prototype

    def address(self, dtype: np.dtype) -> int:
        """Where its code for a floating type is; compiled, or read from disk, when first asked."""
        parts = [kernels_digest(), self.prototype.__qualname__, name_of(self.function)]
        digest = hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
        key = (digest, str(dtype))
        if key not in _compiled:
            function = rebound(self.function, f"{self.function.__name__}_{digest}")
            signature = types.void(*self.prototype(from_dtype(np.dtype(dtype))))
            _compiled[key] = cfunc(signature, cache=True, error_model="numpy", fastmath=FAST)(
                function
            )
        return int(_compiled[key].address)


_compiled: dict[tuple[str, str], Any] = {}
