"""3DGS's density control: clone or split what is pulled about, prune what is transparent.

Kerbl et al. 2023, section 5, with gsplat's units (Ye et al. 2025); gradients without their signs
are AbsGS's (Ye et al. 2024). Letters: n Gaussians, s of them are split.

The statistic of a Gaussian is the mean, over the pictures that show it, of the length of the loss'
gradient with respect to its place in the picture, in halves of the picture's width and height.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from polyfield.cameras.poses import rotation_from_quaternion
from polyfield.errors import InputError
from polyfield.kernels.rasterize.records import ScreenStatistics
from polyfield.training.densification.strategy import Refined, Strategy, check_left
from polyfield.training.densification.surgery import Parameters, rearrange
from polyfield.training.densification.window import Window

NAME = "densify"
CHILDREN = 2  # of a Gaussian that is split
SHRINK = 1.6  # by which they are smaller than it
THRESHOLD, ABSOLUTE_THRESHOLD = 2e-4, 8e-4
PRUNE_OPACITY = 0.005


class Classic(Strategy):
    """Clones, splits, prunes and resets.

    Args:
        start, stop: when to begin and to end: shares of the training up to 1, steps above.
        every: steps between refinements, fewer where the training is too short for `rounds`.
        rounds: how many refinements there are at least.
        reset_every: how much of the training, as above, lies between resets of opacities, which
            come with a refinement; 0 for none. In steps by default, so that short trainings, which
            would not recover, have none.
        threshold: of the statistic, above which a Gaussian becomes two; None for 2e-4, or 8e-4
            with `absolute`.
        absolute: whether gradients of pixels add up without their signs.
        prune_opacity: what is fainter is removed; None for 0.005.
        clone_share: Gaussians up to this share of the scene's extent are cloned, others split.
        prune_share: larger ones are removed, after the first reset.
        reset_opacity: what opacities are reset to, at most; None for twice what is removed.
        most: Gaussians at most; near it those of the largest statistic come first.
    """

    gradient_sum: Tensor
    seen: Tensor

    def __init__(
        self,
        start: float = 1 / 60,
        stop: float = 0.5,
        every: int = 100,
        rounds: int = 20,
        reset_every: float = 3000,
        threshold: float | None = None,
        absolute: bool = False,
        prune_opacity: float | None = None,
        clone_share: float = 0.01,
        prune_share: float = 0.1,
        reset_opacity: float | None = None,
        most: int = 1_000_000,
    ) -> None:
        super().__init__()
        self.window = Window(start, stop, every, rounds, NAME)
        if threshold is None:
            threshold = ABSOLUTE_THRESHOLD if absolute else THRESHOLD
        prune_opacity = PRUNE_OPACITY if prune_opacity is None else prune_opacity
        reset_opacity = 2 * prune_opacity if reset_opacity is None else reset_opacity
        for name, value in {
            "threshold": threshold,
            "clone_share": clone_share,
            "prune_share": prune_share,
            "reset_every": reset_every,
        }.items():
            if not value >= 0:
                raise InputError(field=f"{NAME}.{name}", found=value, expected="0 or more")
        for name, value in {"prune_opacity": prune_opacity, "reset_opacity": reset_opacity}.items():
            if not 0 < value < 1:
                raise InputError(field=f"{NAME}.{name}", found=value, expected="above 0, below 1")
        if reset_opacity <= prune_opacity:
            expected = f"more than prune_opacity, {prune_opacity:g}"
            raise InputError(field=f"{NAME}.reset_opacity", found=reset_opacity, expected=expected)
        if most < 1:
            raise InputError(field=f"{NAME}.most", found=most, expected="1 or more")
        self.reset_every, self.threshold, self.absolute = reset_every, threshold, absolute
        self.prune_opacity, self.reset_opacity = prune_opacity, reset_opacity
        self.clone_share, self.prune_share, self.most = clone_share, prune_share, most
        self.last, self.last_reset = 0, 0
        self.register_buffer("gradient_sum", torch.zeros(0))
        self.register_buffer("seen", torch.zeros(0))

    def resize(self, n: int) -> None:
        """Begin to gather anew, for n Gaussians."""
        super().resize(n)
        self.gradient_sum = self.gradient_sum.new_zeros(n)
        self.seen = self.seen.new_zeros(n)

    def state(self) -> dict[str, Any]:
        """The count, and when something was done last."""
        return {**super().state(), "last": self.last, "last_reset": self.last_reset}

    def load_state(self, state: dict[str, Any]) -> None:
        """Undo `state`."""
        super().load_state(state)
        self.last, self.last_reset = int(state["last"]), int(state["last_reset"])

    def statistics(self) -> ScreenStatistics:
        """Gradients of centres in the picture."""
        return ScreenStatistics(magnitudes=self.absolute)

    @torch.no_grad()
    def after_backward(
        self,
        parameters: Parameters,
        statistics: ScreenStatistics,
        size: tuple[int, int],
        step: int,
        progress: float,
        views: int = 1,
    ) -> None:
        """Add a picture's gradients to the sums, for the Gaussians that it shows."""
        gradients = statistics.absolute if self.absolute else statistics.gradients
        if statistics.radii is None or gradients is None:
            raise ValueError("screen statistics of a forward and a backward pass are needed")
        if self.window.over(step, progress):
            return
        halves = gradients.new_tensor([views * 0.5 * size[0], views * 0.5 * size[1]])
        visible = statistics.radii > 0
        length = torch.linalg.vector_norm(gradients * halves, dim=1)
        self.gradient_sum += torch.where(visible, length, 0).to(self.gradient_sum)
        self.seen += visible.to(self.seen)

    @property
    def statistic(self) -> Float[Tensor, " n"]:
        """Mean length of the gradients, in halves of the picture; 0 for what was not shown."""
        return self.gradient_sum / self.seen.clamp(min=1)

    def due(self, step: int, progress: float) -> bool:
        """Whether a refinement's turn has come."""
        return self.window.due(step, progress, self.last)

    @torch.no_grad()
    def refine(
        self, parameters: Parameters, step: int, progress: float, generator: torch.Generator
    ) -> Refined:
        """Clone, split and prune, and reset opacities where their turn has come too."""
        clone, split = self._chosen(parameters)
        source, fresh, rows, values = _multiplied(parameters, clone, split, generator)
        keep = self._kept(parameters, source, rows, values["log_scales"])
        check_left(int(keep.sum()), f"{NAME}.prune_opacity")
        place = keep.cumsum(0) - 1  # of the rows that are kept, after the others are gone
        left = keep[rows]
        made, replaced = rearrange(
            parameters,
            source[keep],
            forget=fresh[keep],
            rows=place[rows][left],
            values={name: value[left] for name, value in values.items()},
        )
        counts = {
            "cloned": int(clone.sum()),
            "split": int(split.sum()),
            "pruned": int((~keep).sum()),
        }
        self.last = step
        if self._reset_due(step, progress):
            opaque, reset = self._reset(made)
            made, replaced = {**made, **opaque}, [*replaced, *reset]
            self.last_reset, counts["reset"] = step, len(opaque["opacity_logits"])
        self.resize(len(made["means"]))
        return Refined(made, replaced, counts)

    def _chosen(self, parameters: Parameters) -> tuple[Bool[Tensor, " n"], Bool[Tensor, " n"]]:
        """Which are cloned and which split; each adds one."""
        statistic = self.statistic
        chosen = statistic > self.threshold
        room = max(self.most - len(chosen), 0)
        if int(chosen.sum()) > room:
            first = torch.argsort(statistic, descending=True, stable=True)[:room]
            chosen = torch.zeros_like(chosen)
            chosen[first] = True
        small = _largest_scale(parameters["log_scales"]) <= self.clone_share * self.extent
        return chosen & small, chosen & ~small

    def _kept(
        self, parameters: Parameters, source: Tensor, rows: Tensor, log_scales: Tensor
    ) -> Bool[Tensor, " m"]:
        """Which of the new rows are neither transparent nor too large."""
        opacity = torch.sigmoid(parameters["opacity_logits"])[source]
        keep = opacity >= self.prune_opacity
        if self.last_reset:
            largest = _largest_scale(parameters["log_scales"])[source]
            largest[rows] = _largest_scale(log_scales)
            keep &= largest <= self.prune_share * self.extent
        return keep

    def _reset_due(self, step: int, progress: float) -> bool:
        interval = self.window.step_of(self.reset_every, step, progress)
        return interval > 0 and step - self.last_reset >= interval

    def _reset(self, parameters: Parameters) -> tuple[dict[str, Any], list[Any]]:
        """Opacities of little, whose moments are forgotten."""
        old = parameters["opacity_logits"]
        every = torch.arange(len(old), device=old.device)
        most = math.log(self.reset_opacity / (1 - self.reset_opacity))
        return rearrange(
            {"opacity_logits": old},
            every,
            forget=torch.ones_like(every, dtype=torch.bool),
            rows=every,
            values={"opacity_logits": old.detach().clamp(max=most)},
        )


def _largest_scale(log_scales: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    return log_scales.amax(dim=1).exp()


def _multiplied(
    parameters: Parameters,
    clone: Bool[Tensor, " n"],
    split: Bool[Tensor, " n"],
    generator: torch.Generator,
) -> tuple[Int[Tensor, " m"], Bool[Tensor, " m"], Int[Tensor, " f"], dict[str, Tensor]]:
    """The index map: what stays, the clones, the children; and what the children are.

    Returns:
        source, fresh: as `rearrange` takes them; rows, values: of the children.
    """
    every = torch.arange(len(clone), device=clone.device)
    parents = every[split].repeat(CHILDREN)
    source = torch.cat([every[~split], every[clone], parents])
    old = len(source) - len(parents) - int(clone.sum())
    fresh = torch.arange(len(source), device=source.device) >= old
    rows = torch.arange(len(source) - len(parents), len(source), device=source.device)
    log_scales = parameters["log_scales"][parents]
    drawn = torch.randn(len(parents), 3, generator=generator).to(log_scales)
    R = rotation_from_quaternion(parameters["quats"][parents])
    offsets = (R @ (log_scales.exp() * drawn)[:, :, None])[:, :, 0]
    values = {
        "means": parameters["means"][parents] + offsets,
        "log_scales": log_scales - math.log(SHRINK),
    }
    return source, fresh, rows, values
