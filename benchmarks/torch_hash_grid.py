"""A hash grid in plain torch, written to be fast: what `kernels.grid` is measured against.

All levels at once, level by level in memory, so that a level's table stays in cache while it is
read. Three forms, each the fastest of its kind that was found: `gather` is a composition that
autograd differentiates, all corners at once; `bags` takes what torch has that is faster still
(points in chunks, `embedding_bag`, a hand-written gradient); `unrolled` takes the corners one by
one, which torch.compile fuses into one loop (what it makes of `gather` is many times slower).

Letters: l levels, n points, d dimensions, k = 2^d corners, F features a level, rows of all tables
one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from polyfield.fields import HashGrid
from polyfield.kernels.lattice import PRIMES

CHUNK = 32768  # points


class Lattices:
    """Corners and weights of the cells that points lie in, of several levels of one kind.

    Args:
        hashed: whether rows are hashed; else they are those of a dense array.
        size: [l] rows of a hashed level; first_row: [l].
        counts: [l, d] vertices an axis.
        scale: [l, d], shift: [l]: vertices lie at whole numbers of x * scale + shift.
    """

    def __init__(
        self,
        hashed: bool,
        size: Int[Tensor, " l"],
        first_row: Int[Tensor, " l"],
        counts: Int[Tensor, "l d"],
        scale: Float[Tensor, "l d"],
        shift: Float[Tensor, " l"],
    ) -> None:
        self.hashed = hashed
        self.mask, self.first_row = (size - 1)[:, None, None], first_row[:, None, None]
        self.last, self.scale, self.shift = counts[..., None] - 1, scale[..., None], shift
        if hashed:
            step = torch.tensor(PRIMES.astype("int64"))[: counts.shape[1]].expand_as(counts)
        else:
            step = torch.cumprod(torch.cat([torch.ones_like(counts[:, :1]), counts], 1), 1)[:, :-1]
        self.step = step[..., None]

    def corners(
        self, x: Float[Tensor, "n d"]
    ) -> tuple[Int[Tensor, "l k n"], Float[Tensor, "l k n"]]:
        """Row numbers and weights."""
        terms, weights = (torch.stack(pair, dim=2) for pair in zip(*self.ends(x)))  # [l, d, 2, n]
        row, weight = terms[:, 0], weights[:, 0]
        for axis in range(1, x.shape[1]):
            along = terms[:, axis, :, None], row[:, None]
            row = (along[0] ^ along[1] if self.hashed else along[0] + along[1]).flatten(1, 2)
            weight = (weights[:, axis, :, None] * weight[:, None]).flatten(1, 2)
        return row + self.first_row, weight

    def unrolled(
        self, x: Float[Tensor, "n d"], rows: Float[Tensor, "p F"]
    ) -> Float[Tensor, "l n F"]:
        """Features, corner by corner."""
        ends = self.ends(x)
        total = rows.new_zeros(())
        for corner in range(2 ** x.shape[1]):
            term, share = ends[corner & 1]
            row, weight = term[:, 0], share[:, 0]
            for axis in range(1, x.shape[1]):
                term, share = ends[(corner >> axis) & 1]
                row = row ^ term[:, axis] if self.hashed else row + term[:, axis]
                weight = weight * share[:, axis]
            total = total + weight[..., None] * rows[row + self.first_row[:, 0]]
        return total

    def ends(
        self, x: Float[Tensor, "n d"]
    ) -> tuple[tuple[Int[Tensor, "l d n"], Float[Tensor, "l d n"]], ...]:
        """Per axis, of lower and of upper vertices: terms of the row numbers, and weights."""
        q = x.T * self.scale + self.shift[:, None, None]
        q = torch.minimum(q.clamp(min=0), self.last.to(q.dtype))
        cell = torch.minimum(q.long(), self.last - 1)
        upper, low = q - cell, cell * self.step
        high = low + self.step
        if self.hashed:  # as well before the xor as after it, and here there are fewer
            low, high = low & self.mask, high & self.mask
        return (low, 1 - upper), (high, upper)


class TorchHashGrid:
    """The levels of a `HashGrid`.

    Args:
        grid: whose features are computed, from any table of its layout.
    """

    def __init__(self, grid: HashGrid) -> None:
        assert grid.kernels is not None
        d = grid.in_dim
        ints = torch.tensor(grid.kernels.ints[1:]).view(-1, 4 + d)
        floats = torch.tensor(grid.kernels.floats32).view(-1, d + 1)
        self.features = grid.features
        self.parts: list[Lattices] = []
        for hashed in (False, True):  # the dense levels come first
            of = ints[:, 0] == int(hashed)
            if bool(of.any()):
                size, first_row, _, *_ = ints[of, 1:].unbind(1)
                scale, shift = floats[of, :d], floats[of, d]
                self.parts.append(Lattices(hashed, size, first_row, ints[of, 4:], scale, shift))

    def corners(
        self, x: Float[Tensor, "n d"]
    ) -> tuple[Int[Tensor, "l k n"], Float[Tensor, "l k n"]]:
        """Row numbers and weights in all levels."""
        rows, weights = zip(*(part.corners(x) for part in self.parts))
        return torch.cat(rows), torch.cat(weights)

    def gather(self, x: Float[Tensor, "n d"], table: Float[Tensor, " p"]) -> Float[Tensor, "n c"]:
        """Features by one gather; the gradient is autograd's `index_add`."""
        rows, weights = self.corners(x)
        values = table.view(-1, self.features).index_select(0, rows.flatten())
        values = values.view(*rows.shape, -1) * weights[..., None]
        return values.sum(dim=1).transpose(0, 1).flatten(1)

    def unrolled(self, x: Float[Tensor, "n d"], table: Float[Tensor, " p"]) -> Float[Tensor, "n c"]:
        """The same features, corner by corner: for torch.compile."""
        rows = table.view(-1, self.features)
        return torch.cat([part.unrolled(x, rows) for part in self.parts]).transpose(0, 1).flatten(1)

    def bags(self, x: Float[Tensor, "n d"], table: Float[Tensor, " p"]) -> Float[Tensor, "n c"]:
        """The same features, by `Bags`."""
        apply: Callable[..., Tensor] = Bags.apply
        return apply(x, table, self)


class Bags(torch.autograd.Function):
    """`TorchHashGrid.gather`, chunk by chunk, each corner's row read and added up in one pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, grid: TorchHashGrid) -> Tensor:
        rows = table.view(-1, grid.features)
        ctx.grid, ctx.shape, ctx.kept = grid, rows.shape, []
        out = []
        for points in x.split(CHUNK):
            index, weight = grid.corners(points)
            levels, corners, n = index.shape
            bags = index.transpose(1, 2).reshape(-1, corners)
            shares = weight.transpose(1, 2).reshape(-1, corners)
            values = F.embedding_bag(bags, rows, per_sample_weights=shares, mode="sum")
            out.append(values.view(levels, n, -1).transpose(0, 1).flatten(1))
            ctx.kept.append((index.flatten(), weight))
        return torch.cat(out)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[None, Tensor, None]:
        columns = torch.zeros(ctx.shape[1], ctx.shape[0], dtype=d_out.dtype)
        for (index, weight), part in zip(ctx.kept, d_out.split(CHUNK)):
            levels, _, n = weight.shape
            by_feature = part.view(n, levels, -1).permute(2, 1, 0).contiguous()
            for column, values in zip(columns, by_feature):
                column.scatter_add_(0, index, (values[:, None] * weight).flatten())
        return None, columns.T.flatten(), None
