"""Rows of a table as vectors: the gathers and scatters that every grid spends its time in.

A grid entry is a row of `features` adjacent numbers, so a corner is one vector load, not
`features` scalar ones; numba's own loops do not find that (measured: 11.4 against 5.6 ns for 8
corners of 4 features). Letters: b points in a block, k corners, f features, m factors.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I32, _I64 = ir.IntType(32), ir.IntType(64)


class _Rows:
    """What the intrinsics share: the arrays' pointers and the walk over corners.

    Args:
        kinds, args: of the table, the indices, the weights and the point; kinds also of f.
        corners: k; factor: which of them, where indices and weights are [m, k, b].
    """

    def __init__(
        self, context: Any, builder: Any, kinds: Any, args: Any, corners: int, factor: int = 0
    ) -> None:
        table, index, weight = kinds[:3]
        self.builder = builder
        self.features, self.corners = kinds[4].literal_value, corners
        self.scalar = context.get_data_type(table.dtype)
        self.vector = ir.VectorType(self.scalar, self.features)
        self.align = table.dtype.bitwidth // 8
        self.table = context.make_array(table)(context, builder, args[0]).data
        indices = context.make_array(index)(context, builder, args[1])
        self.index = indices.data
        *outer, self.block = cgutils.unpack_tuple(builder, indices.shape)
        self.weight = context.make_array(weight)(context, builder, args[2]).data
        self.point = args[3]
        if factor:
            before = builder.mul(ir.Constant(_I64, factor), builder.mul(outer[1], self.block))
            self.point = builder.add(self.point, before)

    def as_vector(self, pointer: Any) -> Any:
        return self.builder.bitcast(pointer, self.vector.as_pointer())

    def dense(self, context: Any, kind: Any, array: Any, start: Any) -> Any:
        """The pointer to a row of features in a contiguous array."""
        data = context.make_array(kind)(context, self.builder, array).data
        return self.as_vector(self.builder.gep(data, [start]))

    def corner(self, corner: int, table: Any = None) -> tuple[Any, Any]:
        """The pointer to a corner's row, in another table where one is given, and its weight in
        every lane."""
        builder, undefined = self.builder, ir.Constant(self.vector, ir.Undefined)
        at = builder.add(builder.mul(ir.Constant(_I64, corner), self.block), self.point)
        row = builder.zext(builder.load(builder.gep(self.index, [at])), _I64)
        start = builder.mul(row, ir.Constant(_I64, self.features))
        weight = builder.load(builder.gep(self.weight, [at]))
        lane = builder.insert_element(undefined, weight, ir.Constant(_I32, 0))
        lanes = ir.Constant(ir.VectorType(_I32, self.features), [0] * self.features)
        return (
            self.as_vector(builder.gep(self.table if table is None else table, [start])),
            builder.shuffle_vector(lane, undefined, lanes),
        )

    def gathered(self) -> Any:
        """The sum over corners of weight times row."""
        builder = self.builder
        total = ir.Constant(self.vector, [0.0] * self.features)
        for corner in range(self.corners):
            pointer, weight = self.corner(corner)
            row = builder.load(pointer, align=self.align)
            product = builder.fmul(row, weight, flags=("contract",))
            total = builder.fadd(total, product, flags=("contract",))
        return total

    def scatter(self, values: Any, table: Any = None) -> None:
        """Add weight times values to each corner's row."""
        builder = self.builder
        for corner in range(self.corners):
            pointer, weight = self.corner(corner, table)
            product = builder.fmul(values, weight, flags=("contract",))
            row = builder.load(pointer, align=self.align)
            row = builder.fadd(row, product, flags=("contract",))
            builder.store(row, pointer, align=self.align)


def _signature(table: Any, index: Any, weight: Any, dense: Any, features: Any, corners: Any) -> Any:
    literal = isinstance(features, types.IntegerLiteral) and isinstance(
        corners, types.IntegerLiteral
    )
    if not literal or not table.dtype == weight.dtype == dense.dtype:
        return None
    return types.void(table, index, weight, types.intp, dense, types.intp, features, corners)


def _rows(context: Any, builder: Any, signature: Any, args: Any) -> _Rows:
    """Of an intrinsic with the arguments of `gather_rows`."""
    kinds = (*signature.args[:4], signature.args[6])
    return _Rows(context, builder, kinds, args[:4], signature.args[7].literal_value)


@intrinsic(prefer_literal=True)
def gather_rows(typingctx, table, index, weight, point, out, start, features, corners):  # type: ignore[no-untyped-def]
    """out[start : start+f] = sum over corners of weight[k, point] * table[index[k, point] * f :].

    Args:
        table: [*] flat, the rows one after the other.
        index: [k, b] uint32 row numbers; weight: [k, b]; point: which of the b.
        out: contiguous; start: flat position of the result in it.
        features, corners: compile-time constants.
    """
    signature = _signature(table, index, weight, out, features, corners)
    if signature is None:
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        rows = _rows(context, builder, signature, args)
        out = rows.dense(context, signature.args[4], args[4], args[5])
        builder.store(rows.gathered(), out, align=rows.align)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic(prefer_literal=True)
def scatter_rows(typingctx, table, index, weight, point, values, start, features, corners):  # type: ignore[no-untyped-def]
    """table[index[k, point] * f :] += weight[k, point] * values[start : start+f], for each corner.

    Arguments as in `gather_rows`. Not atomic: one thread owns the table.
    """
    signature = _signature(table, index, weight, values, features, corners)
    if signature is None:
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        rows = _rows(context, builder, signature, args)
        values = rows.dense(context, signature.args[4], args[4], args[5])
        rows.scatter(builder.load(values, align=rows.align))
        return context.get_dummy_value()

    return signature, codegen


@intrinsic(prefer_literal=True)
def fetch_rows(typingctx, table, index, weight, point, out, start, features, corners):  # type: ignore[no-untyped-def]
    """Ask the cache for the rows that `gather_rows` with the same arguments will read."""
    signature = _signature(table, index, weight, out, features, corners)
    if signature is None:
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        rows = _rows(context, builder, signature, args)
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, near, data = (ir.Constant(_I32, n) for n in (0, 3, 1))
        for corner in range(rows.corners):
            pointer, _ = rows.corner(corner)
            builder.call(fetch, [builder.bitcast(pointer, byte), read, near, data])
        return context.get_dummy_value()

    return signature, codegen


def _factors(context: Any, builder: Any, signature: Any, args: Any) -> list[_Rows]:
    """Of the factors of a product; the last two arguments are its features and corners."""
    corners = [int(digit) for digit in str(signature.args[-1].literal_value)]
    kinds = (*signature.args[:4], signature.args[-2])
    return [_Rows(context, builder, kinds, args[:4], k, m) for m, k in enumerate(corners)]


@intrinsic(prefer_literal=True)
def gather_product(typingctx, table, index, weight, point, out, start, features, corners):  # type: ignore[no-untyped-def]
    """out[start : start+f] = prod over factors m of what `gather_rows` gathers for each.

    Args:
        index, weight: [factors, k, b], the rest as in `gather_rows`.
        corners: a compile-time constant whose decimal digits are the corners of each factor: 42 is
            a plane's values times a line's.
    """
    signature = _signature(table, index, weight, out, features, corners)
    if signature is None:
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        factors = _factors(context, builder, signature, args)
        product = factors[0].gathered()
        for rows in factors[1:]:
            product = builder.fmul(product, rows.gathered())
        pointer = factors[0].dense(context, signature.args[4], args[4], args[5])
        builder.store(product, pointer, align=factors[0].align)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic(prefer_literal=True)
def scatter_product(  # type: ignore[no-untyped-def]
    typingctx, table, index, weight, point, d_out, start, d_table, features, corners
):
    """Add the gradient of `gather_product` to d_table [*], as the table; not atomic."""
    known = _signature(table, index, weight, d_out, features, corners)
    if known is None or d_table.dtype != table.dtype:
        return None
    signature = types.void(*known.args[:6], d_table, *known.args[6:])

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        factors = _factors(context, builder, signature, args)
        pointer = factors[0].dense(context, signature.args[4], args[4], args[5])
        d_values = builder.load(pointer, align=factors[0].align)
        d_data = context.make_array(signature.args[6])(context, builder, args[6]).data
        values = [rows.gathered() for rows in factors]
        for m, rows in enumerate(factors):
            own = d_values
            for other in values[:m] + values[m + 1 :]:
                own = builder.fmul(own, other)
            rows.scatter(own, d_data)
        return context.get_dummy_value()

    return signature, codegen
