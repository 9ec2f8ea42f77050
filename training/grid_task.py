"""Learning a signal on a regular grid, whatever it is: a picture, a sound, a volume, a video.

Letters: n points, d axes, k channels. A batch is of random samples, or a sub-grid, all combinations
of random samples along the axes: for fields that are evaluated axis by axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from polyfield.datasets.grid import Grid, turned
from polyfield.errors import InputError
from polyfield.fields.signal_field import SignalField
from polyfield.training.grid_scores import chunks, score_grid
from polyfield.training.points import PointTask
from polyfield.training.subgrid import draw_subgrid, numbers_of, slabs
from polyfield.training.task import StepResult

LOSSES = {"mse": F.mse_loss, "l1": F.l1_loss}
BATCHES = ("auto", "points", "grid")
POINTS, SUBGRID = 1 << 14, 1 << 16  # samples a step of either kind
SLAB = 1 << 22  # samples that are evaluated axis by axis at once
MOST = 1 << 20  # samples that are drawn to find a batch among
TRIES = 64  # draws of a batch, of which one must hit a sample that counts


class GridTask(PointTask):
    """Learns the samples of a grid from as many of them as are not held out.

    Args:
        field: as many coordinates as the grid has axes, as many numbers as it has channels.
        grid: the signal.
        batch: samples a step; None: 16,384 points, or at most 65,536 of a sub-grid.
        batches: "points", "grid" (sub-grids) or "auto": sub-grids for a field that is separable.
        holdout: share of the samples that is never trained on: PSNR is then also of those.
        loss: "mse" or "l1".
        rotation: degrees by which a picture is turned within its inscribed disc, outside of which
            nothing counts, after a blur of one pixel; 0 does not turn it, None leaves it whole.
    """

    def __init__(
        self,
        field: SignalField,
        grid: Grid,
        *,
        batch: int | None = None,
        batches: Literal["auto", "points", "grid"] = "auto",
        holdout: float = 0.0,
        loss: Literal["mse", "l1"] = "mse",
        rotation: float | None = None,
    ) -> None:
        if batches not in BATCHES:
            expected = " or ".join(BATCHES)
            raise InputError(field="task.batches", found=batches, expected=expected)
        if batches == "grid" and not field.separable:
            raise InputError(
                "only fields that are evaluated axis by axis learn sub-grids",
                field="task.batches",
                found=batches,
                hint="field=finr with a decoder that has no hidden layers",
            )
        self.by_axes = batches == "grid" or (batches == "auto" and field.separable)
        super().__init__(field, (SUBGRID if self.by_axes else POINTS) if batch is None else batch)
        if loss not in LOSSES:
            raise InputError(field="task.loss", found=loss, expected=" or ".join(LOSSES))
        if not 0 <= holdout < 1:
            expected = "0 or more, below 1"
            raise InputError(field="task.holdout", found=holdout, expected=expected)
        if rotation is not None and not math.isfinite(rotation):
            raise InputError(field="task.rotation", found=rotation, expected="degrees, finite")
        self.grid, self.holdout, self.compare, self.rotation = grid, holdout, loss, rotation
        self.score_name = "psnr_held_out" if self._holds_out() else "psnr"

    def _holds_out(self) -> bool:
        """Whether any sample is held out: of few samples a small share may be none."""
        indices = (torch.arange(part.start, part.stop) for part in chunks(self.grid.size))
        return self.holdout > 0 and any(bool(self.held_out(index).any()) for index in indices)

    @cached_property
    def truth(self) -> Grid:
        """The signal that is learned, turned as asked; made when first needed."""
        return self.grid if self.rotation is None else turned(self.grid, self.rotation)

    def held_out(self, index: Int64[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Whether samples are held out: by their number alone, so always the same ones."""
        if self.holdout == 0:
            return torch.zeros_like(index, dtype=torch.bool)
        with np.errstate(over="ignore"):  # the mixer of splitmix64
            x = index.numpy().astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x ^= x >> np.uint64(31)
        return torch.from_numpy((x >> np.uint64(11)) < int(self.holdout * 2.0**53))

    def counts(self, index: Int64[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Whether samples count at all."""
        if self.truth.mask is None:
            return torch.ones_like(index, dtype=torch.bool)
        return torch.from_numpy(self.truth.mask.reshape(-1)[index.numpy()])

    def draw(self, generator: torch.Generator) -> Int64[Tensor, " n"]:
        """Numbers of random samples to train on: about `batch`, never none.

        Fewer where nearly all are held out.

        Raises:
            InputError: when there are none.
        """
        wanted = min(round(self.batch / (1 - self.holdout)), max(self.batch, MOST))
        for _ in range(TRIES):
            index = torch.randint(self.truth.size, (wanted,), generator=generator)
            index = index[~self.held_out(index) & self.counts(index)]
            if len(index):
                return index
        raise self._nothing_to_train_on()

    def loss(self, step: int, progress: float, generator: torch.Generator) -> StepResult:
        """Draw samples and compare."""
        if self.by_axes:
            return self._loss_of_subgrid(generator)
        index = self.draw(generator)
        truth = self.truth.taken(index)
        values = self.field(self.truth.points(index))
        loss = LOSSES[self.compare](values, truth)
        with torch.no_grad():
            psnr = -10 * F.mse_loss(values, truth).log10()
        return self.result("signal", loss, {"psnr": psnr}, len(index))

    def _loss_of_subgrid(self, generator: torch.Generator) -> StepResult:
        """Draw samples along each axis and compare all of their combinations that count."""
        grid = self.truth
        masked = self.holdout > 0 or grid.mask is not None
        for _ in range(TRIES):
            drawn = draw_subgrid(grid.counts, self.batch, generator)
            numbers = numbers_of(grid.counts, drawn)
            if not masked:
                kept = None
                break
            flat = numbers.reshape(-1)
            kept = (~self.held_out(flat) & self.counts(flat)).view(numbers.shape)
            if kept.any():
                break
        else:
            raise self._nothing_to_train_on()
        truth = grid.taken(numbers.reshape(-1)).view(*numbers.shape, -1)
        values = self.field.on_grid([grid.coordinates(a, i) for a, i in enumerate(drawn)])
        n = numbers.numel() if kept is None else int(kept.sum())

        def mean(compare: str, values: Tensor) -> Tensor:
            if kept is None:
                return LOSSES[compare](values, truth)
            errors = LOSSES[compare](values, truth, reduction="none")
            return (errors * kept[..., None]).sum() / (n * grid.channels)

        loss = mean(self.compare, values)
        with torch.no_grad():
            error = loss if self.compare == "mse" else mean("mse", values)
            psnr = -10 * error.log10()
        return self.result("signal", loss, {"psnr": psnr}, n)

    def _nothing_to_train_on(self) -> InputError:
        found = f"{self.holdout:g} of {self.grid.size} samples"
        return InputError(field="task.holdout", found=found, expected="something to train on")

    def sample(self, counts: Sequence[int] | None = None) -> Float[np.ndarray, "*n k"]:
        """What was learned, on a grid of any resolution over the same extent.

        Args:
            counts: samples along each axis; those of the data by default.

        Returns:
            Values scaled as the data is: 0 is its `low`, 1 its `high`.
        """
        shape = tuple(self.grid.counts if counts is None else counts)
        if self.by_axes:
            return self._sampled_by_axes(shape)
        values = np.empty((math.prod(shape), self.grid.channels), np.float32)
        for part in chunks(len(values)):
            index = torch.arange(part.start, part.stop)
            values[part] = self.field.signal(self.grid.points(index, shape)).numpy()
        return values.reshape(*shape, -1)

    @torch.no_grad()
    def _sampled_by_axes(self, shape: Sequence[int]) -> Float[np.ndarray, "*n k"]:
        axes = [self.grid.coordinates(a, torch.arange(n), n) for a, n in enumerate(shape)]
        parts = [self.field.on_grid([axes[0][i], *axes[1:]]) for i in slabs(shape, SLAB)]
        return np.ascontiguousarray(torch.cat(parts).numpy())

    def score(self, out: Path | None, limit: int | None) -> dict[str, Any]:
        """PSNR of the whole grid and of what was held out, and what `grid_scores` knows of it."""
        held_out = self.held_out if self.holdout else None
        return score_grid(self.truth, self.sample(), held_out, out, limit)
