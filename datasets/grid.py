"""A signal on a regular grid: a picture, a sound, a volume, a video.

Letters: d axes with n_1 ... n_d samples, k channels. Samples are cells: sample i of an axis lies at
its cell's centre, (i + 0.5) cells from the border. Cells of unit spacing are cubes, and the longest
edge of the grid fills an axis of the unit cube, the others its middle:

    u_a(i) = 1/2 + (i + 1/2 - n_a / 2) s_a / max_b(n_b s_b),   s the spacing of samples
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from polyfield.errors import InputError

DTYPES = ("uint8", "uint16", "int16", "int32", "float32")
BLUR = 1.0  # deviation in pixels, of pictures that are turned
FLOAT_MAX = float(np.finfo(np.float32).max)  # the numbers are scaled in float32


@dataclass(frozen=True)
class Grid:
    """Samples on a regular grid, as they are stored.

    Attributes:
        kind: "image", "audio", "volume" or "video".
        counts: n_1 ... n_d; an image has rows and columns, a video frames before them.
        channels: k.
        low, high: what [0, 1] stands for in the numbers of the file.
        spacing: of samples along each axis; its unit does not matter.
        path: of the file or folder.
        rate: samples or frames a second, 0 for what has none.
        dtype: of the samples.
        digest: of the samples, so that a run notices other data.
        mask: [n_1, ..., n_d] False where a sample does not count; None where all do.
    """

    RECORDED: ClassVar = ("counts", "channels", "low", "high", "spacing", "rate", "dtype", "digest")

    kind: str
    counts: tuple[int, ...]
    channels: int
    low: float
    high: float
    spacing: tuple[float, ...]
    path: Path | None = None
    rate: float = 0.0
    dtype: str = "uint8"
    digest: str = ""
    mask: Bool[np.ndarray, "..."] | None = None
    _values: np.ndarray | None = field(default=None, repr=False)

    @property
    def values(self) -> np.ndarray:
        """[n_1, ..., n_d, k] samples as they are stored.

        Raises:
            InputError: for a grid of a run's record, whose data is gone.
        """
        if self._values is None:
            what = f"the {self.kind} that this run was trained on is gone"
            raise InputError(what, file=self.path, hint="data=PATH says where it lies now")
        return self._values

    @property
    def d(self) -> int:
        """Axes."""
        return len(self.counts)

    @property
    def size(self) -> int:
        """Samples in all."""
        return math.prod(self.counts)

    @property
    def cells(self) -> Float[np.ndarray, " d"]:
        """Edges of a cell in the unit cube."""
        spacing = np.asarray(self.spacing)
        return spacing / (np.asarray(self.counts) * spacing).max()

    @property
    def finest(self) -> int:
        """Cells along an edge of the unit cube: as fine as a backbone may have to be."""
        return round(1 / float(self.cells.min()))

    def points(
        self, index: Int64[Tensor, " n"], counts: Sequence[int] | None = None
    ) -> Float[Tensor, "n d"]:
        """Points of the unit cube at samples, by their number in the order of memory.

        Args:
            counts: of samples along each axis, where the same extent is sampled more finely.
        """
        shape = tuple(self.counts if counts is None else counts)
        columns, rest = [], index
        for a in reversed(range(self.d)):
            columns.append(self.coordinates(a, rest % shape[a], shape[a]))
            rest = torch.div(rest, shape[a], rounding_mode="floor")
        return torch.stack(columns[::-1], dim=-1)

    def coordinates(
        self, axis: int, index: Int64[Tensor, " n"], count: int | None = None
    ) -> Float[Tensor, " n"]:
        """Where samples lie along an axis of the unit cube, by their number along it.

        Args:
            count: of samples along the axis, where the same extent is sampled more finely.
        """
        count = count or self.counts[axis]
        extent = float(self.cells[axis]) * self.counts[axis]
        place = index.double().add_(0.5).div_(count).sub_(0.5)
        return (place * extent + 0.5).float()

    def taken(self, index: Int64[Tensor, " n"]) -> Float[Tensor, "n k"]:
        """Samples, scaled so that low is 0 and high is 1."""
        flat = self.values.reshape(-1, self.channels)[index.numpy()]
        return self.scaled(torch.from_numpy(flat.astype(np.float32)))

    def scaled(self, values: Tensor) -> Tensor:
        """Numbers of the file to [0, 1]."""
        return (values - self.low) / (self.high - self.low)

    def stored(self, values: Float[np.ndarray, "*n k"]) -> np.ndarray:
        """Numbers in [0, 1] to those of the file; whole types are rounded and clipped."""
        whole = self.dtype != "float32"
        # float32 has no 2^31 - 1: what is clipped to it would wrap.
        out: Any = values.astype(np.float64 if whole else np.float32)
        out *= self.high - self.low
        out += self.low
        if not whole:
            return out
        info = np.iinfo(self.dtype)
        found: np.ndarray = np.clip(np.rint(out, out=out), info.min, info.max, out=out)
        return found.astype(self.dtype)

    def record(self) -> dict[str, Any]:
        """Everything but the samples, as plain data."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.RECORDED}
        plain.update(kind=self.kind, counts=list(self.counts), spacing=list(self.spacing))
        return {**plain, "path": None if self.path is None else str(self.path)}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Grid:
        """A grid without its samples, of `record`."""
        counts = tuple(int(n) for n in record["counts"])
        spacing = tuple(float(s) for s in record["spacing"])
        low, high, rate = (float(record[name]) for name in ("low", "high", "rate"))
        fits = len(counts) == len(spacing) and all(n > 0 for n in counts) and high > low
        if not fits or record["dtype"] not in DTYPES or int(record["channels"]) < 1:
            raise ValueError(f"counts {counts}, spacing {spacing}, {low} to {high}")
        path = None if record["path"] is None else Path(record["path"])
        kind, channels, dtype = str(record["kind"]), int(record["channels"]), str(record["dtype"])
        digest = str(record["digest"])
        return cls(kind, counts, channels, low, high, spacing, path, rate, dtype, digest)

    def describe(self) -> dict[str, Any]:
        """What `polyfield info data=FILE` prints."""
        facts: dict[str, Any] = {
            "format": self.kind,
            "path": self.path,
            "samples": list(self.counts),
        }
        facts.update(channels=self.channels, type=self.dtype, range=[self.low, self.high])
        if self.rate:
            facts.update(rate=f"{self.rate:g}", seconds=self.counts[0] / self.rate)
        if len(set(self.spacing)) > 1:
            facts["spacing"] = list(self.spacing)
        return {**facts, "megabytes": round(self.values.nbytes / 1e6, 3)}

    def headline(self) -> str:
        """`image: 768x512, 3 channels of uint8`."""
        order = self.counts[::-1] if self.kind == "image" else self.counts
        shape = "x".join(map(str, order)) + (" samples" if self.d == 1 else "")
        channels = "1 channel" if self.channels == 1 else f"{self.channels} channels"
        seconds = f", {self.counts[0] / self.rate:.4g} s" if self.rate else ""
        return f"{self.kind}: {shape}, {channels} of {self.dtype}{seconds}"


def make_grid(
    kind: str,
    values: np.ndarray,
    path: Path | None = None,
    *,
    spacing: Sequence[float] | None = None,
    rate: float = 0.0,
    span: tuple[float, float] | None = None,
) -> Grid:
    """A grid of samples.

    Args:
        kind: see `Grid`.
        values: [n_1, ..., n_d, k] numbers; whole types that fit into one of `DTYPES` stay whole.
        path: where they are from.
        spacing: of samples along each axis; equal by default.
        rate: samples or frames a second.
        span: what [0, 1] stands for; the type's range by default, of floats the least and greatest.

    Raises:
        InputError: for no samples, or numbers that are not real or not finite.
    """

    def refuse(found: object, expected: str) -> NoReturn:
        raise InputError(file=path, field=kind, found=found, expected=expected)

    if values.ndim < 2 or 0 in values.shape:
        refuse(f"shape {list(values.shape)}", "at least one sample")
    values = _in_known_type(values, refuse)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = np.argwhere(~np.isfinite(values))[0][:-1].tolist()
        refuse(f"NaN or infinity at {bad}", "finite numbers")
    if span is None and values.dtype in (np.uint8, np.uint16):
        span = (0.0, float(np.iinfo(values.dtype).max))
    low, high = span or (float(values.min()), float(values.max()))
    high = high if high > low else low + max(1.0, abs(low))  # of large floats x + 1 is x
    if not high - low <= FLOAT_MAX:
        refuse(f"{low:g} to {high:g}", f"a range of at most {FLOAT_MAX:.3g}")
    values = np.ascontiguousarray(values)
    counts, digest = values.shape[:-1], hashlib.sha256(values.data).hexdigest()
    steps = tuple(float(s) for s in (spacing or [1.0] * len(counts)))
    if len(steps) != len(counts) or not all(0 < s < math.inf for s in steps):
        refuse(f"spacing {list(steps)}", f"{len(counts)} positive numbers")
    dtype, k = str(values.dtype), values.shape[-1]
    return Grid(kind, counts, k, low, high, steps, path, rate, dtype, digest, None, values)


def _in_known_type(values: np.ndarray, refuse: Any) -> np.ndarray:
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if str(values.dtype) in DTYPES:
        return values
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(np.float32)
    if values.dtype.kind in "iu":
        least, most = int(values.min()), int(values.max())
        for name in ("uint8", "int16", "uint16", "int32"):
            if np.iinfo(name).min <= least and most <= np.iinfo(name).max:
                return values.astype(name)
    return refuse(values.dtype, "real numbers of at most 32 bits")


def turned(grid: Grid, degrees: float) -> Grid:
    """A picture turned about its middle, counter-clockwise as one looks at it, within its disc.

    Every pixel outside the inscribed disc is masked, so that all angles show the same part of the
    picture. It is blurred first, at every angle, 0 among them, and read by cubic splines: turning
    takes detail finer than that away, and no angle should have more of it than another.
    """
    if grid.d != 2:
        raise InputError(field="task.rotation", found=grid.kind, expected="an image")
    rows, columns = grid.counts
    angle = math.radians(degrees)
    y, x = (np.arange(n) + 0.5 - n / 2 for n in (rows, columns))
    mask = y[:, None] ** 2 + x[None] ** 2 <= (min(rows, columns) / 2) ** 2
    cos, sin = math.cos(angle), math.sin(angle)
    values = _read_blurred(
        grid.values,
        y[:, None] * cos + x[None] * sin + rows / 2 - 0.5,
        x[None] * cos - y[:, None] * sin + columns / 2 - 0.5,
    )
    if grid.dtype != "float32":
        info = np.iinfo(grid.dtype)
        values = np.clip(np.rint(values), info.min, info.max)
    return replace(grid, _values=values.astype(grid.dtype), mask=mask)


def _read_blurred(values: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """[h, w, k] read at rows y and columns x after a blur of `BLUR`, the border repeated."""
    from scipy import ndimage

    channels = [
        ndimage.map_coordinates(
            ndimage.gaussian_filter(channel.astype(np.float64), BLUR, mode="nearest"),
            [y, x],
            order=3,
            mode="nearest",
        )
        for channel in np.moveaxis(values, -1, 0)
    ]
    return np.stack(channels, axis=-1)
