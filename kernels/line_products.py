"""Products of what three lines hold at a point, as vectors: what tri-vector tensors are read by.

A line is a row of F adjacent numbers at each of its vertices. Letters: F features, a = 1..3 lines,
with the row r_a below the point and the share u_a in [0, 1] that it is above:

    v_a = (1 - u_a) table[r_a] + u_a table[r_a + stride]

all of F numbers, which stay in registers from the loads to the sum.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_I32, _I64 = ir.IntType(32), ir.IntType(64)
LINES = 3


class _Lines:
    """What both intrinsics share: the three lines' values at a point, and their rows."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        table, rows, uppers = signature.args[:3]
        self.builder = builder
        self.features = signature.args[7].literal_value
        self.scalar = context.get_data_type(table.dtype)
        self.vector = ir.VectorType(self.scalar, self.features)
        self.align = table.dtype.bitwidth // 8
        self.table = context.make_array(table)(context, builder, args[0]).data
        row_data = context.make_array(rows)(context, builder, args[1]).data
        upper_data = context.make_array(uppers)(context, builder, args[2]).data
        stride = builder.mul(args[3], ir.Constant(_I64, self.features))
        self.weight = self.lanes(args[4])
        self.starts, self.uppers, self.values = [], [], []
        for line in range(LINES):
            at = [ir.Constant(_I64, line)]
            row = builder.load(builder.gep(row_data, at))
            low = builder.mul(row, ir.Constant(_I64, self.features))
            pair = (low, builder.add(low, stride))
            below, above = (self.load(self.table, start) for start in pair)
            upper = self.lanes(builder.load(builder.gep(upper_data, at)))
            rise = self.times(upper, builder.fsub(above, below))
            self.starts.append(pair)
            self.uppers.append(upper)
            self.values.append(builder.fadd(below, rise, flags=("contract",)))

    def lanes(self, number: Any) -> Any:
        """A number in every lane."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        lane = self.builder.insert_element(undefined, number, ir.Constant(_I32, 0))
        zeros = ir.Constant(ir.VectorType(_I32, self.features), [0] * self.features)
        return self.builder.shuffle_vector(lane, undefined, zeros)

    def pointer(self, data: Any, start: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [start]), self.vector.as_pointer())

    def load(self, data: Any, start: Any) -> Any:
        return self.builder.load(self.pointer(data, start), align=self.align)

    def add_to(self, data: Any, start: Any, addend: Any) -> None:
        total = self.builder.fadd(self.load(data, start), addend, flags=("contract",))
        self.builder.store(total, self.pointer(data, start), align=self.align)

    def times(self, a: Any, b: Any) -> Any:
        return self.builder.fmul(a, b, flags=("contract",))


def _signature(table: Any, others: tuple[Any, ...], features: Any) -> Any:
    rows, uppers, weight, dense = others
    same = table.dtype == uppers.dtype == dense.dtype == weight
    if not isinstance(features, types.IntegerLiteral) or rows.dtype != types.int64 or not same:
        return None
    return table, rows, uppers, types.int64, weight, dense, types.intp, features


@intrinsic(prefer_literal=True)
def add_product(typingctx, table, rows, uppers, stride, weight, out, start, features):  # type: ignore[no-untyped-def]
    """out[start : start + F] += weight v_1 v_2 v_3.

    Args:
        table: [*] flat, the rows of F numbers one after the other.
        rows: [3] int64, r_a; uppers: [3], u_a; stride: rows between neighbouring vertices.
        weight: of the table's type.
        out: contiguous; start: flat position of the result in it.
        features: F, a compile-time constant.
    """
    arguments = _signature(table, (rows, uppers, weight, out), features)
    if arguments is None:
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        lines = _Lines(context, builder, signature, args)
        product = lines.weight
        for value in lines.values:
            product = lines.times(product, value)
        out_data = context.make_array(signature.args[5])(context, builder, args[5]).data
        lines.add_to(out_data, args[6], product)
        return context.get_dummy_value()

    return types.void(*arguments), codegen


@intrinsic(prefer_literal=True)
def add_product_gradient(  # type: ignore[no-untyped-def]
    typingctx, table, rows, uppers, stride, weight, d_out, start, features, d_table
):
    """Add to d_table the gradient of `add_product`, for d_out[start : start + F].

    Arguments as there. Not atomic: one thread owns the rows.
    """
    arguments = _signature(table, (rows, uppers, weight, d_out), features)
    if arguments is None or d_table.dtype != table.dtype:
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        lines = _Lines(context, builder, signature, args)
        d_data = context.make_array(signature.args[5])(context, builder, args[5]).data
        d_product = lines.times(lines.weight, lines.load(d_data, args[6]))
        d_table = context.make_array(signature.args[8])(context, builder, args[8]).data
        for line, (low, high) in enumerate(lines.starts):
            d_value = d_product
            for other, value in enumerate(lines.values):
                if other != line:
                    d_value = lines.times(d_value, value)
            d_above = lines.times(lines.uppers[line], d_value)
            lines.add_to(d_table, low, builder.fsub(d_value, d_above))
            lines.add_to(d_table, high, d_above)
        return context.get_dummy_value()

    return types.void(*arguments, d_table), codegen
