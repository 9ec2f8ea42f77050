"""F-INR: factored grids whose lines are networks of one coordinate (WACV 2026, section 3).

A network a coordinate maps a scalar to numbers indexed by rank, and a reduction makes features of
what the networks of a point's coordinates say:

    cp      a feature is the product of a number of each network        (`kernels.factors`)
    tt      the product of matrices, one of each network                (`kernels.tensor_train`)
    tucker  a learned core contracted with a vector of each network     (`kernels.tucker`)

Letters: n points, d coordinates, c features, F features of a part, P parts, R vertices of a line,
r the rank.

On a product of coordinates the networks are evaluated once a coordinate, n_1 + ... + n_d times
instead of n_1 ... n_d, and the rest is a matrix product (`on_grid`). At points that lie anyhow they
are evaluated once for each of R vertices a line: what they say there is the table of a factored
grid, which the compiled kernels interpolate like any other, and gradients go on through it into the
networks. `exact` evaluates the networks at the points themselves; `forward` agrees with it at the
vertices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.backbone import Backbone
from polyfield.fields.coordinate_network import CoordinateNetwork, Network
from polyfield.fields.factored.contractions import tensor_trains, tuckers
from polyfield.fields.factored.families import FEATURE, WIDTHS
from polyfield.fields.factored.layout import MOST_VERTICES, Factor, Layout
from polyfield.fields.factored.product_grid import (
    products_on_grid,
    trains_on_grid,
    tuckers_on_grid,
)
from polyfield.fields.factored.products import Part, products
from polyfield.kernels.encode import EncoderKernels

REDUCTIONS = {"cp": 1, "tt": 2, "tucker": 2}  # and the fewest coordinates
CHANNELS = {"cp": 128, "tt": 16, "tucker": 16}
RANKS = {"tt": 16, "tucker": 16}
FIRST_OMEGA = 100.0  # of siren's first layer: one coordinate wants more than many
LINE = 0.5  # deviation of a line at first, where the reduction does not say another

Reduction = Literal["cp", "tt", "tucker"]


class FInr(Backbone):
    """Features that are products of what networks of single coordinates say.

    Args:
        reduction: "cp", "tt" or "tucker".
        network: see `CoordinateNetwork`, as are `hidden`, `omega`, `first_omega`, `frequencies`
            and `log2_entries`: of each coordinate's network. The first layer of siren has 100 by
            default.
        channels: features, c; of cp the rank itself, which a linear decoder sums over. None: 128
            of cp, 16 of others.
        rank: r, of tt and tucker; None: 16.
        density: of the features, how many are the density's own, to be summed; 0 for none.
        max_resolution: vertices of a line at points that lie anyhow (at most 65,536), and the
            finest that an encoding tells apart.
        in_dim: coordinates, 1 to 4 (tt and tucker: 2 to 4).
        generator: source of the initial values.
    """

    head = ()
    separable = True

    def __init__(
        self,
        reduction: Reduction = "cp",
        network: Network = "siren",
        channels: int | None = None,
        rank: int | None = None,
        density: int = 0,
        hidden: Sequence[int] = (128, 128),
        omega: float | None = None,
        first_omega: float | None = None,
        frequencies: int = 32,
        log2_entries: int = 14,
        max_resolution: int = 256,
        in_dim: int = 3,
        generator: torch.Generator | None = None,
    ) -> None:
        channels = CHANNELS.get(reduction, 0) if channels is None else channels
        super().__init__(in_dim=in_dim, out_dim=channels)
        self.reduction = reduction
        if network == "siren" and first_omega is None:
            first_omega = FIRST_OMEGA
        self.rank = _checked(reduction, rank, in_dim, channels, density)
        widths = WIDTHS if reduction == "cp" else WIDTHS[1:]
        features = next(w for w in widths if channels % w == 0 and density % w == 0)
        if max_resolution < 2:
            expected = "2 or more"
            raise InputError(field="field.max_resolution", found=max_resolution, expected=expected)
        self.layout = _layout(
            reduction, self.rank, features, channels // features, in_dim, max_resolution
        )
        self.density_parts, self.summed = density // features or None, density
        self.parts, self.features = channels // features, features
        self.resolution = self.layout.places[-1].factor.counts[0]
        deviation = _deviation(reduction, self.rank, in_dim)
        self.networks = nn.ModuleList()
        for a in range(in_dim):
            line = CoordinateNetwork(
                network, hidden, self.parts * self._width(a), omega, first_omega, frequencies,
                log2_entries, max_resolution, 1, generator,
            )  # fmt: skip
            line.spread(deviation, self._vertices()[:, None])
            self.networks.append(line)
        self.core: nn.Parameter | None = None
        if reduction == "tucker":
            scale = FEATURE / (self.rank**0.5 * LINE) ** in_dim
            core = torch.empty(self.parts, self.rank**in_dim * features)
            self.core = nn.Parameter(core.normal_(0, scale, generator=generator))
        self._kept: tuple[list[tuple[Any, ...]], Tensor] | None = None
        self.kernels = EncoderKernels(
            self.layout.blocks, self.layout.ints, self.layout.floats, self.parts, channels,
            in_dim, n_params=self.layout.numbers,
        )  # fmt: skip

    def _vertices(self) -> Float[Tensor, " R"]:
        """Where those of a line lie, exact in any precision."""
        return torch.linspace(0, 1, self.resolution, dtype=torch.float64)

    def _width(self, axis: int) -> int:
        """Numbers of a part that the network of an axis gives, w."""
        return next(p.width for p in self.layout.places if p.factor.axes == (axis,))

    def lines(self, axes: Sequence[Float[Tensor, " n"]]) -> list[Float[Tensor, "n P w"]]:
        """What the networks say at coordinates of their axes."""
        return [
            network(axis[:, None]).view(len(axis), self.parts, -1)
            for network, axis in zip(self.networks, axes)
        ]

    @property
    def params(self) -> Tensor:
        """The table that the kernels read, [p]: the networks at the vertices of their lines.

        With gradients it is made at every call; without, it is kept until a parameter changes.
        """
        if torch.is_grad_enabled():
            return self._table()
        state = [(p.data_ptr(), p._version, p.dtype) for p in self.parameters()]
        if self._kept is None or self._kept[0] != state:
            self._kept = state, self._table()
        return self._kept[1]

    def _table(self) -> Tensor:
        lines = self.lines([self._vertices()] * self.in_dim)
        rows = [line.transpose(0, 1).reshape(self.parts, -1) for line in lines]
        core = [] if self.core is None else [self.core]
        return torch.cat([*core, *rows], dim=1).reshape(-1)

    @property
    def frames(self) -> Float[Tensor, "0 d d"]:
        return next(self.parameters()).new_zeros(0, self.in_dim, self.in_dim)

    def reference(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        assert self.kernels is not None
        return self.layout.reference(x, self.params, self.frames, self.kernels)

    def exact(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Features of points, with the networks evaluated there: the paper's definition."""
        lines = self.lines(list(x.T))
        n, parts, r = len(x), self.parts, self.rank
        if self.reduction == "cp":
            return torch.stack(lines).prod(dim=0).flatten(1)
        if self.reduction == "tt":
            row = lines[0][:, :, None]
            for line in lines[1:]:
                row = row @ line.view(n, parts, r, -1)
            return row.flatten(1)
        assert self.core is not None
        tensor = self.core.expand(n, parts, -1)
        for line in lines:
            tensor = torch.einsum("npr,nprx->npx", line, tensor.reshape(n, parts, r, -1))
        return tensor.flatten(1)

    def on_grid(
        self, axes: Sequence[Float[Tensor, " n"]], mix: Float[Tensor, "c k"]
    ) -> Float[Tensor, "*n k"]:
        """`exact` at all combinations of coordinates, mapped by `mix`."""
        lines = self.lines(axes)
        if self.reduction == "cp":
            return products_on_grid(lines, mix)
        if self.reduction == "tt":
            return trains_on_grid(lines, mix, self.rank)
        assert self.core is not None
        return tuckers_on_grid(lines, self.core, mix, self.rank)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The groups of all networks, and the core."""
        groups: dict[str, dict[str, Any]] = {}
        for network in self.networks:
            assert isinstance(network, CoordinateNetwork)
            for group in network.parameter_groups():
                groups.setdefault(group["name"], {**group, "params": []})
                groups[group["name"]]["params"] += group["params"]
        if self.core is not None:
            groups["network"]["params"].append(self.core)
        return list(groups.values())


def _checked(reduction: str, rank: int | None, in_dim: int, channels: int, density: int) -> int:
    """The rank, 0 where the reduction has none."""
    if reduction not in REDUCTIONS:
        expected = " or ".join(REDUCTIONS)
        raise InputError(field="field.reduction", found=reduction, expected=expected)
    least = REDUCTIONS[reduction]
    if in_dim < least:
        expected = f"{least} to 4, for field.reduction={reduction}"
        raise InputError(field="field.in_dim", found=in_dim, expected=expected)
    if reduction == "cp" and rank is not None:
        expected = "null: the rank of cp is field.channels"
        raise InputError(field="field.rank", found=rank, expected=expected)
    known = RANKS.get(reduction, 0) if rank is None else rank
    if reduction != "cp" and not 1 <= known <= 32:
        raise InputError(field="field.rank", found=rank, expected="1 to 32")
    if channels < 1:
        raise InputError(field="field.channels", found=channels, expected="1 or more")
    if not 0 <= density <= channels:
        expected = f"0 to {channels}, the field's channels"
        raise InputError(field="field.density", found=density, expected=expected)
    return known


def _layout(
    reduction: str, rank: int, features: int, parts: int, in_dim: int, resolution: int
) -> Layout:
    """Of lines along all coordinates."""
    counts = [min(resolution, MOST_VERTICES)] * in_dim
    if reduction == "cp":
        part = Part(tuple(Factor((a,), (counts[a],)) for a in range(in_dim)))
        return products([part] * parts, features)
    make = tensor_trains if reduction == "tt" else tuckers
    return make(counts, [0] * parts, rank, features)


def _deviation(reduction: str, rank: int, in_dim: int) -> float:
    """Of a line at first, so that features begin small but not vanishing."""
    if reduction == "tt":  # a feature is a sum over r^(d - 1) products of d numbers
        return (FEATURE / rank ** ((in_dim - 1) / 2)) ** (1 / in_dim)
    return LINE
