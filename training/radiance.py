"""The radiance task: pixels of posed photos against rays through a scene.

Letters: r rays, a numbers of an appearance code, h, w pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.cameras.rays import Rays
from polyfield.datasets.pixels import PixelSampler, RayBatch
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.fields.backbone import Replacement
from polyfield.renderers.render import Render
from polyfield.training import losses
from polyfield.training.growth import Growth, crop_of
from polyfield.training.observation import AppearanceCodes
from polyfield.training.photo_task import PhotoTask, check_known, check_weights
from polyfield.training.ray_budget import RayBudget
from polyfield.training.ray_filter import filter_of
from polyfield.training.sparse_points import SparsePoints
from polyfield.training.task import StepResult


class RadianceTask(PhotoTask):
    """Learns a scene from its photos.

    Args:
        renderer: a `Renderable` module.
        scene: the photos.
        samples_per_step: a step's budget of samples, to which the number of rays adapts; 0 for a
            constant number.
        rays: of the first step; least_rays, most_rays: bounds.
        color: loss of colours, "huber" or "mse".
        distortion, entropy, depth, normals, points: weights of the distortion loss, of the entropy
            of opacities, of depth maps, of normals and of sparse points; 0 for off. The last three
            need a scene that has them.
        point_rays: rays a step through sparse points.
        vary_background: whether images with alpha are laid on random colours while training, so
            that haze cannot pass for a white or black background; they are scored on the scene's.
        appearance: a, numbers of a code per image; 0 for none. The decoder must take as many.
        refine_poses: whether the training cameras may move.
        pose_lr, appearance_lr, background_lr: learning rates relative to the optimiser's.
        crop: share of the training at which the domain is cut to what is occupied, so that the
            field spends itself on that; None for never.
        filter: share of the training from which on rays are drawn only where they meet something
            occupied, and before that the box; 0 for the box all along, None for all rays.
        lpips: also evaluate LPIPS where it is installed.
    """

    codes: AppearanceCodes | None

    def __init__(
        self,
        renderer: Any,
        scene: Scene,
        *,
        samples_per_step: int = 16384,
        rays: int = 512,
        least_rays: int = 64,
        most_rays: int = 8192,
        color: Literal["huber", "mse"] = "huber",
        distortion: float = 0.0,
        entropy: float = 0.0,
        depth: float = 0.0,
        normals: float = 0.0,
        points: float = 0.0,
        point_rays: int = 128,
        vary_background: bool = True,
        appearance: int = 0,
        refine_poses: bool = False,
        pose_lr: float = 0.05,
        appearance_lr: float = 0.1,
        background_lr: float = 1.0,
        crop: float | None = None,
        filter: float | None = None,
        lpips: bool = False,
    ) -> None:
        if color not in ("huber", "mse"):
            raise InputError(field="task.color", found=color, expected="huber or mse")
        weights = {"distortion": distortion, "entropy": entropy, "depth": depth}
        weights.update(normals=normals, points=points)
        check_weights(weights)
        super().__init__(
            renderer,
            scene,
            codes=AppearanceCodes(len(scene), appearance) if appearance else None,
            refine_poses=refine_poses,
            vary_background=vary_background,
            rates={"appearance": appearance_lr, "poses": pose_lr, "background": background_lr},
            lpips=lpips,
        )
        self.color, self.weights, self.point_rays = color, weights, point_rays
        self.budget = RayBudget(samples_per_step, rays, least_rays, most_rays)
        self.filter = None if filter is None else filter_of(renderer, filter, self.observation)
        if self.filter is not None:
            self.module.add_module("filter", self.filter)
        field: Any = getattr(renderer, "field", renderer)  # splats are their own
        self._growth = Growth(field.grow, None if crop is None else crop_of(renderer, crop))

    @cached_property
    def sampler(self) -> PixelSampler:
        """The training pixels; made when first needed, as it decodes all images.

        Raises:
            InputError: when a loss has a weight and the scene nothing to hold it to.
        """
        scene, weights = self.scene, self.weights
        known = {
            "depth": scene.depths is not None,
            "normals": scene.normals is not None,
            "points": not weights["points"] or self.sparse_points is not None,
        }
        check_known(scene, weights, known)
        wanted = {"depths": weights["depth"] > 0, "normals": weights["normals"] > 0}
        return PixelSampler(scene, "train", **wanted)

    @cached_property
    def sparse_points(self) -> SparsePoints | None:
        """The training images' views of sparse points, where the scene has them."""
        return SparsePoints.of(self.scene) if self.weights["points"] else None

    def grow(self, step: int, progress: float, generator: torch.Generator) -> Sequence[Replacement]:
        """Let the field change resolution; what changed is kept to be done again on loading."""
        return self._growth(step, progress)

    def before_step(self, step: int, progress: float, generator: torch.Generator) -> None:
        """Refresh occupancy when due, and leave rays out that meet nothing."""
        renderer: Any = self.renderer
        renderer.update(step, generator)
        if self.filter is not None:
            self.filter.update(renderer, progress)
            if self.filter.stale(self.sampler):
                del self.sampler
            self.filter.narrow(self.sampler, renderer)

    def loss(self, step: int, progress: float, generator: torch.Generator) -> StepResult:
        """Draw pixels, render their rays, compare."""
        batch = self.sampler.sample(self.budget.rays, generator)
        r, rays = len(batch), batch.rays
        points = self.sparse_points
        if points is not None:
            point_rays, distances = points.sample(self.point_rays, generator)
            rays = concatenate(rays, point_rays)
        behind = self._training_background(r, generator)
        truth = composite(batch, behind)
        if behind is not None and behind.ndim == 2 and len(rays) > r:
            behind = torch.cat([behind, behind.new_zeros(len(rays) - r, 3)])
        if self.poses is not None:
            rays = self.poses(rays)
        codes = None if self.codes is None else self.codes(rays.camera_index)
        render = self.renderer(rays, behind, generator=generator, appearance=codes)
        rgb = render.rgb[:r]
        terms = {"color": self._color_loss(rgb, truth)}
        if points is not None:
            error = losses.depth_error(render.depth[r:], render.opacity[r:], distances)
            terms["points"] = self.weights["points"] * error
        terms.update(self._other_losses(render, rays, batch))
        total = torch.stack(list(terms.values())).sum() if len(terms) > 1 else terms["color"]
        with torch.no_grad():
            psnr = -10 * losses.mse(rgb, truth).log10()
        n_samples = int(render.extras["n_samples"])
        self.budget.update(n_samples * r // max(len(rays), 1))
        return StepResult(total, terms, {"psnr": psnr, "rays": r}, r, n_samples)

    def _color_loss(self, rgb: Tensor, truth: Tensor) -> Tensor:
        return (losses.mse if self.color == "mse" else losses.huber)(rgb, truth)

    def _other_losses(self, render: Render, rays: Rays, batch: RayBatch) -> dict[str, Tensor]:
        """Weighted terms beside colour: of this task, of the renderer and of the field.

        Args:
            render: of `rays`, the first of which are those of the batch.
        """
        r, weights, terms = len(batch), self.weights, {}
        if weights["distortion"]:
            distortion = render.extras["distortion"][:r].mean()
            terms["distortion"] = weights["distortion"] * distortion
        if weights["entropy"]:
            terms["entropy"] = weights["entropy"] * losses.opacity_entropy(render.opacity[:r])
        if batch.normals is not None:
            # Where a surface is found; the loss turns it, and leaves to the others where it is.
            hit = (render.opacity[:r] > 0.5) & (batch.normals != 0).any(dim=-1)
            terms["normals"] = render.depth.new_zeros(())
            if hit.any():
                at = render.depth[:r][hit].detach()
                found = self.renderer.surface_normals(rays[:r][hit], at)
                error = losses.normal_error(found, batch.normals[hit])
                terms["normals"] = weights["normals"] * error
        if batch.z_depth is not None:
            assert batch.rays.axis_cosine is not None
            distance = batch.z_depth / batch.rays.axis_cosine
            error = losses.depth_error(render.depth[:r], render.opacity[:r], distance)
            terms["depth"] = weights["depth"] * error
        terms.update(render.extras.get("losses", {}))
        penalty = self.renderer.regularization()
        if penalty.requires_grad:
            terms["field"] = penalty
        return terms

    def _training_background(self, r: int, generator: torch.Generator) -> Tensor | None:
        """[3] or [r, 3] sRGB behind a batch; None for nothing."""
        if self.varies_background:
            return torch.rand(r, 3, generator=generator)
        return self.background

    def state(self) -> dict[str, Any]:
        """The number of rays and what made the field grow."""
        return {"budget": self.budget.state(), "growth": self._growth.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Undo `state`: let the field grow as it had."""
        self.budget.load_state(state["budget"])
        self._growth.load_state(state["growth"])


def concatenate(first: Rays, second: Rays) -> Rays:
    """Rays one after the other; the axis cosine is lost."""
    assert first.camera_index is not None, "rays must know their camera"
    assert second.camera_index is not None, "rays must know their camera"
    times = [part.times for part in (first, second) if part.times is not None]
    return Rays(
        torch.cat([first.origins, second.origins]),
        torch.cat([first.directions, second.directions]),
        torch.cat([first.camera_index, second.camera_index]),
        times=torch.cat(times) if times else None,
    )


def composite(batch: RayBatch, behind: Tensor | None) -> Float[Tensor, "r 3"]:
    """The colours that a batch is held to: with alpha, laid on what is behind."""
    if batch.alpha is None or behind is None:
        return batch.rgb
    alpha = batch.alpha[:, None]
    return batch.rgb * alpha + (1 - alpha) * behind.detach()
