"""What tasks that learn from posed photos share: what lies behind a scene, and how it is scored.

Letters: a numbers of an appearance code, h, w pixels.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.rays import Rays
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.renderers.render import Render
from polyfield.training.evaluation import View, chosen, evaluating, score, true_view
from polyfield.training.observation import (
    AppearanceCodes,
    Exposures,
    LearnedBackground,
    PoseRefinement,
)

FIXED = ("white", "black")  # backgrounds of one colour


class Renderable(Protocol):
    """What can be rendered and learned: a renderer with its field, or splats. An `nn.Module`."""

    def __call__(
        self,
        rays: Rays,
        background: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
        appearance: Tensor | None = None,
    ) -> Render: ...

    def image(
        self,
        cameras: Cameras,
        i: int,
        background: Tensor | None = None,
        modes: tuple[str, ...] = ("rgb",),
        appearance: Tensor | None = None,
    ) -> Render: ...

    def surface_normals(self, rays: Rays, depth: Tensor) -> Tensor: ...

    def update(self, step: int, generator: torch.Generator | None = None) -> None: ...

    def parameter_groups(self) -> list[dict[str, Any]]: ...

    def regularization(self) -> Tensor: ...


class PhotoTask:
    """Photos of a scene and what renders it; tasks say how it learns.

    Args:
        renderer: a `Renderable` module.
        scene: the photos.
        codes: what is learned of each photo's light, and given to the renderer.
        refine_poses: whether the training cameras may move.
        vary_background: whether images with alpha are laid on random colours while training.
        rates: of "appearance" (the codes), "poses" and "background", relative to the optimiser's.
        lpips: also evaluate LPIPS where it is installed.
    """

    module: nn.Module
    score_name = "psnr"

    def __init__(
        self,
        renderer: Any,
        scene: Scene,
        *,
        codes: AppearanceCodes | Exposures | None,
        refine_poses: bool,
        vary_background: bool,
        rates: Mapping[str, float],
        lpips: bool,
    ) -> None:
        self.renderer: Renderable = renderer
        self.scene, self.lpips = scene, lpips
        self.codes: AppearanceCodes | Exposures | None = codes
        self.poses = PoseRefinement(len(scene)) if refine_poses else None
        self.learned = LearnedBackground() if scene.background == "learned" else None
        varies = vary_background and scene.images.channels == 4 and scene.background in FIXED
        self.varies_background = varies or scene.background == "random"
        parts: dict[str, Any] = {
            "appearance": codes,
            "poses": self.poses,
            "background": self.learned,
        }
        self.observation = {name: part for name, part in parts.items() if part is not None}
        self.module = nn.ModuleDict({"renderer": renderer, **self.observation})
        self._rates = dict(rates)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have images, held-out ones first."""
        parts = self.scene.splits
        return tuple(name for name in ("test", "val", "train") if len(parts.get(name, ())))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The renderer's groups, and those of what is learned per image."""
        groups = list(self.renderer.parameter_groups())
        for name, part in self.observation.items():
            group = {"params": list(part.parameters()), "name": name}
            # What belongs to images that are not in a batch stays as it is.
            groups.append({**group, "lr_scale": self._rates[name], "sparse": name != "background"})
        return groups

    @property
    def background(self) -> Float[Tensor, "3"] | None:
        """What lies behind evaluated views; None for nothing, which is black."""
        if self.learned is not None:
            return self.learned()
        colors = {"white": 1.0, "random": 1.0, "black": 0.0}
        color = colors.get(self.scene.background)
        return None if color is None else torch.full((3,), color)

    @property
    def code(self) -> Float[Tensor, " a"] | None:
        """The code of views that were not trained on: the mean of those that were."""
        if self.codes is None:
            return None
        return self.codes.mean(self.scene.splits["train"]).detach()

    def views(self, split: str, limit: int | None = None) -> Iterator[View]:
        """Render the views of a split one by one.

        Args:
            limit: of how many views, evenly spread; None for all.
        """
        scene, behind = self.scene, self.background
        behind = None if behind is None else behind.detach()
        for i in chosen(scene, split, limit):
            truth = true_view(scene, i, behind)
            mask = None if scene.masks is None else scene.masks[i][..., 0] != 0
            began = time.perf_counter()
            render = self.renderer.image(scene.cameras, i, behind, appearance=self.code)
            seconds = time.perf_counter() - began
            yield View(scene.images.names[i], truth, render, mask, seconds)

    def evaluate(
        self, split: str = "test", out: Path | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        """Score the views of a split.

        Args:
            split: "test", "val" or "train".
            out: a folder for pictures, truth | render | error | depth; None for none.
            limit: of how many views, evenly spread; None for all.

        Returns:
            What `evaluation.score` gives, and "split", "background" and "protocol".
        """
        with evaluating(self.module):
            result = score(self.views(split, limit), out, lpips=self.lpips)
        color = "white" if self.scene.background == "random" else self.scene.background
        result.update(split=split, background=color, protocol=self._protocol(split, limit))
        return result

    def _protocol(self, split: str, limit: int | None) -> str:
        parts = ["poses as given" if self.poses is None else "training poses refined, these given"]
        if self.codes is not None:
            parts.append(f"mean {self.codes.noun} of the training images")
        if self.scene.masks is not None:
            parts.append("masked pixels left out")
        shown, total = len(chosen(self.scene, split, limit)), len(self.scene.splits[split])
        if shown < total:
            parts.append(f"{shown} of {total} images")
        return "; ".join(parts)


def check_weights(weights: Mapping[str, float]) -> None:
    """InputError for a weight of a loss that is negative or not finite."""
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise InputError(field=f"task.{name}", found=weight, expected="0 or more")


def check_known(scene: Scene, weights: Mapping[str, float], known: Mapping[str, bool]) -> None:
    """InputError where a loss has a weight and the scene nothing to hold it to.

    Args:
        known: by the loss's name, whether the scene has what it needs.
    """
    for name, has in known.items():
        if weights[name] and not has:
            what = {"depth": "depths", "points": "points that its images saw"}.get(name, name)
            raise InputError(
                file=scene.path,
                field=f"task.{name}",
                found=f"{weights[name]:g}, and data without {what}",
                expected="0, or data that has them",
            )
