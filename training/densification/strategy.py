"""What every way of densifying has in common.

Letters: n Gaussians. A task calls, for each step,

    refine          before it, when due: other parameters take the place of these
    penalties       terms of the loss
    after_backward  with what the rasteriser noted of each picture
    after_step      when the optimiser has stepped

What a strategy gathers are buffers, so that a checkpoint holds them, and `state` is plain data that
says how many rows these have: a task whose module has a strategy resumes bit by bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.backbone import Replacement
from polyfield.kernels.rasterize.records import ScreenStatistics
from polyfield.training.densification.surgery import Parameters


class Refined(NamedTuple):
    """What a refinement did.

    Args:
        parameters: by name, to be used from now on.
        replaced: what took whose place, in the order in which it happened.
        counts: what was done to how many Gaussians, for the log.
    """

    parameters: dict[str, nn.Parameter]
    replaced: list[Replacement]
    counts: dict[str, int]


class Strategy(nn.Module):
    """Leaves the number of Gaussians as it is; others do something at some of these moments."""

    seed_opacity = 0.1  # that Gaussians begin with
    seed_scale = 1.0  # times the distance to their neighbours

    def __init__(self) -> None:
        super().__init__()
        self.n, self.extent = 0, 1.0

    def begin(self, n: int, extent: float) -> None:
        """Be told of n Gaussians in a scene of an extent (`seeds.scene_extent`), world units."""
        if not 0 < extent < float("inf"):
            raise InputError(field="extent", found=extent, expected="a distance above 0")
        self.extent = float(extent)
        self.resize(n)

    def resize(self, n: int) -> None:
        """Begin to gather anew, for n Gaussians."""
        self.n = n

    def due(self, step: int, progress: float) -> bool:
        """Whether `refine` is to be called before this step.

        Args:
            step: counted from 0; progress: the share of the training that is done.
        """
        return False

    def refine(
        self, parameters: Parameters, step: int, progress: float, generator: torch.Generator
    ) -> Refined:
        """Add, move and remove Gaussians; all randomness is the generator's.

        Raises:
            InputError: when none would be left.
        """
        return Refined(dict(parameters), [], {})

    def penalties(self, parameters: Parameters) -> dict[str, Tensor]:
        """Weighted terms of the loss by name."""
        return {}

    def statistics(self) -> ScreenStatistics | None:
        """What `after_backward` wants to be filled in of a picture; None where it notes nothing."""
        return None

    def after_backward(
        self,
        parameters: Parameters,
        statistics: ScreenStatistics,
        size: tuple[int, int],
        step: int,
        progress: float,
        views: int = 1,
    ) -> None:
        """Note what a picture said of the Gaussians; once for each picture of a step.

        Args:
            statistics: of one picture, after the backward pass.
            size: its width and height in pixels.
            views: pictures over which the loss is a mean.
        """

    def after_step(
        self, parameters: Parameters, lr_means: float, generator: torch.Generator
    ) -> None:
        """Change parameters in place after the optimiser has.

        Args:
            lr_means: the rate that the step of the centres was taken with, world units.
        """

    def state(self) -> dict[str, Any]:
        """Plain data beside the buffers that the next step depends on."""
        return {"n": self.n}

    def load_state(self, state: dict[str, Any]) -> None:
        """Undo `state`: make room for the saved buffers. The parameters need `surgery.resized`."""
        self.resize(int(state["n"]))


def check_left(n: int, name: str) -> None:
    """InputError where no Gaussians are left."""
    if n == 0:
        raise InputError(
            "no Gaussians are left",
            field=name,
            hint="all became transparent: lower the threshold or the learning rate of opacities, "
            "and look whether the cameras see the first Gaussians",
        )
