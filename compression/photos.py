"""What networks are fine-tuned on: pictures and the cameras that took them.

Letters: h, w pixels, n Gaussians.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.fields.gaussians import tensors_of
from polyfield.kernels.rasterize.rasterize import rasterize
from polyfield.kernels.rasterize.records import PinholeView
from polyfield.kernels.ssim import photometric_loss
from polyfield.renderers.splat import exposed
from polyfield.splats.splats import Splats
from polyfield.training.splatting import SplattingTask, laid_on

SSIM = 0.2  # share of the loss


@dataclass(frozen=True)
class Photo:
    """A picture to come close to.

    Attributes:
        view: of its camera.
        truth: [3,h,w] bytes or parts of white, laid on the background.
        mask: [h,w] 0 where a pixel says nothing; None where all count.
        background: [3] what lies behind, None for black.
        exposure: [3,4] the map of colours that the photo was taken with; None for none.
    """

    view: PinholeView
    truth: Tensor
    mask: Tensor | None = None
    background: Tensor | None = None
    exposure: Float[Tensor, "3 4"] | None = None


class Photos(Protocol):
    """Pictures by number."""

    def __len__(self) -> int: ...

    def view(self, i: int) -> PinholeView: ...

    def photo(self, i: int, generator: torch.Generator) -> Photo: ...


class TrainingPhotos:
    """Those that a task learned its Gaussians from, as it saw them: poses, exposures, backgrounds.

    Args:
        task: with its photos at hand.
    """

    def __init__(self, task: SplattingTask) -> None:
        self.task = task
        self.images = task.scene.splits["train"].tolist()

    def __len__(self) -> int:
        return len(self.images)

    @torch.no_grad()
    def view(self, i: int) -> PinholeView:
        """The camera of photo i."""
        return self.task.view(self.images[i])

    @torch.no_grad()
    def photo(self, i: int, generator: torch.Generator) -> Photo:
        """Photo i, on another background each time where the task has it so."""
        task, image = self.task, self.images[i]
        behind = task.training_background(generator)
        photo = task.photos.at(image)
        truth, mask = laid_on(photo, behind), photo.mask
        exposure = None if task.codes is None else task.codes(image)
        return Photo(self.view(i), truth, mask, behind, exposure)


class Renders:
    """Pictures of Gaussians themselves, where there are no photos of what they show.

    Args:
        splats: what is seen.
        views: from where.
        background: behind it.
    """

    def __init__(
        self, splats: Splats, views: Sequence[PinholeView], background: Tensor | None = None
    ) -> None:
        self.views, self.background = views, background
        tensors: dict[str, Any] = {**tensors_of(splats)}
        self.pictures = [
            rasterize(
                **tensors, view=view, background=background, antialiased=splats.antialiased
            ).rgb
            for view in views
        ]

    def __len__(self) -> int:
        return len(self.views)

    def view(self, i: int) -> PinholeView:
        """View i."""
        return self.views[i]

    def photo(self, i: int, generator: torch.Generator) -> Photo:
        """The picture of view i."""
        return Photo(self.views[i], self.pictures[i], background=self.background)


def shuffled(photos: Photos, steps: int, generator: torch.Generator) -> Iterator[Photo]:
    """So many photos: all once in a random order, then again in another."""
    order: list[int] = []
    for _ in range(steps):
        order = order or torch.randperm(len(photos), generator=generator).tolist()
        yield photos.photo(order.pop(), generator)


def photo_loss(
    gaussians: Mapping[str, Any], photo: Photo, antialiased: bool
) -> tuple[Float[Tensor, ""], Float[Tensor, "3 h w"]]:
    """0.8 absolute error + 0.2 (1 - SSIM) of a picture of Gaussians, and the picture."""
    behind = photo.background if photo.exposure is None else None
    drawn = rasterize(**gaussians, view=photo.view, background=behind, antialiased=antialiased)
    rgb = drawn.rgb
    if photo.exposure is not None:
        rgb = exposed(drawn, photo.exposure, photo.background)
    return photometric_loss(rgb, photo.truth, SSIM, photo.mask), rgb
