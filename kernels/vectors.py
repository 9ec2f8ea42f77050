"""Vectors of 16 numbers as values in kernels: for what LLVM's vectoriser does not find.

A kernel loads rows of 16, computes with `+ - * / <= &`, `select` and `exp2`, and stores them; each
line is one or two machine instructions where registers hold 16 float32 (AVX-512), and twice or four
times as many where they are shorter. Letters: a an array, i a flat position in it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

LANES = 16
_I16, _I32 = ir.IntType(16), ir.IntType(32)
_LANE_NUMBERS = [ir.Constant(_I32, lane) for lane in range(LANES)]


class Vector(types.Type):
    """The type of 16 floats."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        super().__init__(name=f"vector({LANES} x {dtype})")


class Mask(types.Type):
    """The type of 16 truth values."""

    def __init__(self) -> None:
        super().__init__(name=f"mask({LANES})")


MASK = Mask()
_FLOATS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}
_WORDS = {types.float32: ir.IntType(32), types.float64: ir.IntType(64)}


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, ir.VectorType(_FLOATS[kind.dtype], LANES))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Mask) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.IntType(1), LANES))


def _filled(builder: Any, value: Any) -> Any:
    """A number in every lane."""
    kind = ir.VectorType(value.type, LANES)
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, zeros)


def _constant(kind: Vector, value: float) -> Any:
    return ir.Constant(ir.VectorType(_FLOATS[kind.dtype], LANES), [value] * LANES)


def _alike(*kinds: Any) -> Any:
    """The vector that vectors and numbers among them become; None where they cannot."""
    vectors = [kind for kind in kinds if isinstance(kind, Vector)]
    numbers = all(isinstance(kind, (Vector, types.Float, types.Integer)) for kind in kinds)
    return vectors[0] if numbers and vectors and len(set(vectors)) == 1 else None


def _number_or_vector(kind: Vector, given: Any) -> Any:
    return given if isinstance(given, Vector) else kind.dtype


def _lanes(builder: Any, kinds: Any, values: Any) -> list[Any]:
    pairs = zip(kinds, values, strict=True)
    return [v if isinstance(k, (Vector, Mask)) else _filled(builder, v) for k, v in pairs]


def _define(symbol: Any, result: Callable[[Vector], types.Type], build: Callable[..., Any]) -> None:
    """Give an operator a meaning between vectors, and between a vector and a number."""

    class Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            kind = _alike(*args)
            if len(args) != 2 or kind is None:
                return None
            return signature(result(kind), *[_number_or_vector(kind, given) for given in args])

    infer_global(symbol)(Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return build(builder, *_lanes(builder, sig.args, args))

    lower_builtin(symbol, Vector, Vector)(lower)
    lower_builtin(symbol, Vector, types.Float)(lower)
    lower_builtin(symbol, types.Float, Vector)(lower)


def _comparison(sign: str) -> Callable[..., Any]:
    return lambda builder, a, b: builder.fcmp_ordered(sign, a, b)


_define(operator.add, lambda kind: kind, lambda builder, a, b: builder.fadd(a, b))
_define(operator.sub, lambda kind: kind, lambda builder, a, b: builder.fsub(a, b))
_define(operator.mul, lambda kind: kind, lambda builder, a, b: builder.fmul(a, b))
_define(operator.truediv, lambda kind: kind, lambda builder, a, b: builder.fdiv(a, b))
_define(operator.le, lambda kind: MASK, _comparison("<="))
_define(operator.ge, lambda kind: MASK, _comparison(">="))
_define(operator.lt, lambda kind: MASK, _comparison("<"))
_define(operator.gt, lambda kind: MASK, _comparison(">"))


@infer_global(operator.and_)
class _And(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(MASK, MASK, MASK) if args == (MASK, MASK) else None


@lower_builtin(operator.and_, Mask, Mask)  # type: ignore[misc]
def _lower_and(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.and_(*args)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, start: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    vector = ir.VectorType(_FLOATS[kind.dtype], LANES)
    return builder.bitcast(builder.gep(data, [start]), vector.as_pointer())


@intrinsic  # type: ignore[misc]
def load(typingctx, array, i):  # type: ignore[no-untyped-def]
    """The 16 numbers of a contiguous array from flat position i on."""

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        pointer = _pointer(context, builder, sig.args[0], *args)
        return builder.load(pointer, align=sig.args[0].dtype.bitwidth // 8)

    return Vector(array.dtype)(array, types.intp), generate


@intrinsic  # type: ignore[misc]
def store(typingctx, array, i, vector):  # type: ignore[no-untyped-def]
    """Write 16 numbers to a contiguous array from flat position i on."""

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        pointer = _pointer(context, builder, sig.args[0], *args[:2])
        builder.store(args[2], pointer, align=sig.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    if vector != Vector(array.dtype):
        return None
    return types.void(array, types.intp, vector), generate


@intrinsic  # type: ignore[misc]
def filled(typingctx, value):  # type: ignore[no-untyped-def]
    """A number in every lane."""
    return Vector(value)(value), lambda context, builder, sig, args: _filled(builder, args[0])


@intrinsic  # type: ignore[misc]
def counting(typingctx, like):  # type: ignore[no-untyped-def]
    """0, 1, ... 15 in the type of a number."""

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        kind = ir.VectorType(_FLOATS[sig.args[0]], LANES)
        return ir.Constant(kind, [float(lane) for lane in range(LANES)])

    return Vector(like)(like), generate


@intrinsic  # type: ignore[misc]
def select(typingctx, mask, a, b):  # type: ignore[no-untyped-def]
    """a where the mask holds, else b: vectors, one of which may be a number."""

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return builder.select(*_lanes(builder, sig.args, args))

    kind = _alike(a, b)
    if mask != MASK or kind is None:
        return None
    return kind(mask, _number_or_vector(kind, a), _number_or_vector(kind, b)), generate


def _extreme(sign: str) -> Any:
    def typed(typingctx, a, b):  # type: ignore[no-untyped-def]
        def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
            pair = _lanes(builder, sig.args, args)
            return builder.select(builder.fcmp_ordered(sign, *pair), *pair)

        kind = _alike(a, b)
        if kind is None:
            return None
        return kind(_number_or_vector(kind, a), _number_or_vector(kind, b)), generate

    return intrinsic(typed)


lesser = _extreme("<")  # the smaller of a and b, lane by lane; b where a is NaN
greater = _extreme(">")  # the larger; b where a is NaN


@intrinsic  # type: ignore[misc]
def any_of(typingctx, mask):  # type: ignore[no-untyped-def]
    """Whether the mask holds anywhere."""

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        bits = builder.bitcast(args[0], _I16)
        return builder.icmp_unsigned("!=", bits, ir.Constant(_I16, 0))

    return types.boolean(mask), generate


def _called(builder: Any, name: str, *args: Any) -> Any:
    """LLVM's intrinsic of this name on vectors of one kind."""
    kind = args[0].type
    letter = "f32" if isinstance(kind.element, ir.FloatType) else "f64"
    function = ir.FunctionType(kind, [kind] * len(args))
    full = f"llvm.{name}.v{LANES}{letter}"
    return builder.call(cgutils.get_or_insert_function(builder.module, function, full), args)


@intrinsic  # type: ignore[misc]
def root(typingctx, a):  # type: ignore[no-untyped-def]
    """Square roots."""
    return a(a), lambda context, builder, sig, args: _called(builder, "sqrt", args[0])


@intrinsic  # type: ignore[misc]
def log2(typingctx, a):  # type: ignore[no-untyped-def]
    """Binary logarithms, by the C library one lane after the other."""
    return a(a), lambda context, builder, sig, args: _called(builder, "log2", args[0])


@intrinsic  # type: ignore[misc]
def absolute(typingctx, a):  # type: ignore[no-untyped-def]
    """Magnitudes."""
    return a(a), lambda context, builder, sig, args: _called(builder, "fabs", args[0])


# On [-1/2, 1/2], by powers: float32's fitted to equal relative error (2e-7), float64's Taylor's.
_EXP2 = {
    types.float32: [
        1.0000000716546822,
        0.6931469670647601,
        0.2402211141824606,
        0.05550713273543888,
        0.009675541334209223,
        0.0013276471992255852,
    ],
    types.float64: [math.log(2) ** k / math.factorial(k) for k in range(14)],
}
_MANTISSA = {types.float32: 23, types.float64: 52}


@intrinsic  # type: ignore[misc]
def exp2(typingctx, x):  # type: ignore[no-untyped-def]
    """2^x for -120 < x < 120; anything where x is beyond or NaN."""

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        kind = sig.args[0]
        words = ir.VectorType(_WORDS[kind.dtype], LANES)
        whole = _called(builder, "rint", args[0])
        part = builder.fsub(args[0], whole)
        *lower, total = [_constant(kind, c) for c in _EXP2[kind.dtype]]
        for coefficient in reversed(lower):
            total = builder.fadd(builder.fmul(total, part), coefficient)
        shift = ir.Constant(words, [_MANTISSA[kind.dtype]] * LANES)
        power = builder.shl(builder.fptosi(whole, words), shift)
        return builder.bitcast(builder.add(builder.bitcast(total, words), power), total.type)

    return (x(x), generate) if isinstance(x, Vector) else None


def _halved(builder: Any, a: Any, b: Any, width: int) -> Any:
    """Lane by lane sums of the halves of a and of b, in groups of `width`, a's before b's.

    a holds 16 / width groups, each to be summed; so does b; the result has groups half as wide.
    """
    half, groups = width // 2, LANES // width
    low = [g * width + j for g in range(groups) for j in range(half)]
    low += [LANES + k for k in low]
    high = [k + half for k in low]
    kind = ir.VectorType(_I32, LANES)
    parts = [builder.shuffle_vector(a, b, ir.Constant(kind, lanes)) for lanes in (low, high)]
    return builder.fadd(*parts)


@intrinsic  # type: ignore[misc]
def totals(typingctx, vectors):  # type: ignore[no-untyped-def]
    """The sums over all lanes of up to 16 vectors: that of the j-th in lane j, 0 beyond them.

    A tree that halves two vectors at a time: 33 instructions for 9 sums, not 72.
    """

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        kind = sig.args[0].dtype
        level = list(cgutils.unpack_tuple(builder, args[0]))
        level += [None] * (LANES - len(level))
        width = LANES
        while width > 1:
            zero = _constant(kind, 0.0)
            level = [
                None
                if a is None and b is None
                else _halved(builder, zero if a is None else a, zero if b is None else b, width)
                for a, b in zip(level[0::2], level[1::2], strict=True)
            ]
            width //= 2
        return level[0]

    if not isinstance(vectors, types.UniTuple) or not isinstance(vectors.dtype, Vector):
        return None
    return vectors.dtype(vectors), generate
