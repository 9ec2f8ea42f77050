"""Rows of a table as vectors: the gathers and scatters that every grid spends its time in.

A grid entry is a row of `features` adjacent numbers, so a corner is one vector load, not
`features` scalar ones; numba's own loops do not find that (measured: 11.4 against 5.6 ns for 8
corners of 4 features). Letters: b points in a block, k corners, f features.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I32, _I64 = ir.IntType(32), ir.IntType(64)


class _Rows:
    """What both intrinsics share: the arrays' pointers and the walk over corners."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        table, index, weight, _, dense = signature.args[:5]
        self.builder = builder
        self.features = signature.args[6].literal_value
        self.corners = signature.args[7].literal_value
        self.scalar = context.get_data_type(table.dtype)
        self.vector = ir.VectorType(self.scalar, self.features)
        self.align = table.dtype.bitwidth // 8
        self.table = context.make_array(table)(context, builder, args[0]).data
        indices = context.make_array(index)(context, builder, args[1])
        self.index = indices.data
        self.block = builder.extract_value(indices.shape, 1)
        self.weight = context.make_array(weight)(context, builder, args[2]).data
        self.point = args[3]
        dense_data = context.make_array(dense)(context, builder, args[4]).data
        self.dense = self.as_vector(builder.gep(dense_data, [args[5]]))

    def as_vector(self, pointer: Any) -> Any:
        return self.builder.bitcast(pointer, self.vector.as_pointer())

    def corner(self, corner: int) -> tuple[Any, Any]:
        """The pointer to a corner's row, and its weight in every lane."""
        builder, undefined = self.builder, ir.Constant(self.vector, ir.Undefined)
        at = builder.add(builder.mul(ir.Constant(_I64, corner), self.block), self.point)
        row = builder.zext(builder.load(builder.gep(self.index, [at])), _I64)
        start = builder.mul(row, ir.Constant(_I64, self.features))
        weight = builder.load(builder.gep(self.weight, [at]))
        lane = builder.insert_element(undefined, weight, ir.Constant(_I32, 0))
        lanes = ir.Constant(ir.VectorType(_I32, self.features), [0] * self.features)
        return (
            self.as_vector(builder.gep(self.table, [start])),
            builder.shuffle_vector(lane, undefined, lanes),
        )


def _signature(table: Any, index: Any, weight: Any, dense: Any, features: Any, corners: Any) -> Any:
    literal = isinstance(features, types.IntegerLiteral) and isinstance(
        corners, types.IntegerLiteral
    )
    if not literal or not table.dtype == weight.dtype == dense.dtype:
        return None
    return types.void(table, index, weight, types.intp, dense, types.intp, features, corners)


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
        rows = _Rows(context, builder, signature, args)
        total = ir.Constant(rows.vector, [0.0] * rows.features)
        for corner in range(rows.corners):
            pointer, weight = rows.corner(corner)
            row = builder.load(pointer, align=rows.align)
            product = builder.fmul(row, weight, flags=("contract",))
            total = builder.fadd(total, product, flags=("contract",))
        builder.store(total, rows.dense, align=rows.align)
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
        rows = _Rows(context, builder, signature, args)
        values = builder.load(rows.dense, align=rows.align)
        for corner in range(rows.corners):
            pointer, weight = rows.corner(corner)
            product = builder.fmul(values, weight, flags=("contract",))
            row = builder.load(pointer, align=rows.align)
            row = builder.fadd(row, product, flags=("contract",))
            builder.store(row, pointer, align=rows.align)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic(prefer_literal=True)
def fetch_rows(typingctx, table, index, weight, point, out, start, features, corners):  # type: ignore[no-untyped-def]
    """Ask the cache for the rows that `gather_rows` with the same arguments will read."""
    signature = _signature(table, index, weight, out, features, corners)
    if signature is None:
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        rows = _Rows(context, builder, signature, args)
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, near, data = (ir.Constant(_I32, n) for n in (0, 3, 1))
        for corner in range(rows.corners):
            pointer, _ = rows.corner(corner)
            builder.call(fetch, [builder.bitcast(pointer, byte), read, near, data])
        return context.get_dummy_value()

    return signature, codegen
