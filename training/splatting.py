"""The radiance task for Gaussians: a whole photo a step against their picture.

Letters: h, w pixels, n Gaussians.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.datasets.photos import PlanarPhotos
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.fields.backbone import Replacement
from polyfield.fields.gaussians import Gaussians
from polyfield.kernels.rasterize.records import PinholeView, Rasterized, ScreenStatistics
from polyfield.kernels.ssim import photometric_loss
from polyfield.renderers.image import SURFACE
from polyfield.renderers.splat import SplatRenderer, exposed, inverse_pose, view_of
from polyfield.training import losses
from polyfield.training.densification import Strategy
from polyfield.training.initial_gaussians import Seeding, checked, first_gaussians
from polyfield.training.observation import Exposures
from polyfield.training.photo_task import PhotoTask, check_known, check_weights
from polyfield.training.progress import Display
from polyfield.training.seeds import scene_extent
from polyfield.training.task import StepResult


class SplattingTask(PhotoTask):
    """Learns Gaussians from photos.

    Args:
        renderer: of the Gaussians.
        scene: the photos, of pinhole cameras.
        strategy: how the number of Gaussians changes.
        ssim: share of the loss that is 1 - SSIM; the rest is the absolute error.
        depth, normals: weights of depth maps and of normals, which the scene must have; 0 for off.
        vary_background: whether images with alpha are laid on a random colour each step, so that
            nothing can pass for a white or black background; they are scored on the scene's.
        exposure: whether an affine map of colours is learned for each photo.
        exposure_weight: of the mean square of what these maps change.
        refine_poses: whether the training cameras may move.
        pose_lr, exposure_lr, background_lr: learning rates relative to the optimiser's.
        init: what the first Gaussians are: "points", "depths" or "random", or "auto" for the first
            of them that there is.
        init_from: a file or a run to take them from instead: splats, a mesh, points.
        init_count: how many, at most; of random ones and of a mesh exactly so many.
        lpips: also evaluate LPIPS where it is installed.
    """

    codes: Exposures | None

    def __init__(
        self,
        renderer: SplatRenderer,
        scene: Scene,
        *,
        strategy: Strategy,
        ssim: float = 0.2,
        depth: float = 0.0,
        normals: float = 0.0,
        vary_background: bool = True,
        exposure: bool = False,
        exposure_weight: float = 0.1,
        refine_poses: bool = False,
        pose_lr: float = 0.05,
        exposure_lr: float = 0.4,
        background_lr: float = 1.0,
        init: str = "auto",
        init_from: str | None = None,
        init_count: int = 100_000,
        lpips: bool = False,
    ) -> None:
        if not 0 <= ssim <= 1:
            raise InputError(field="task.ssim", found=ssim, expected="a share, 0 to 1")
        weights = {"depth": depth, "normals": normals, "exposure_weight": exposure_weight}
        check_weights(weights)
        if scene.times is not None:
            raise InputError(
                file=scene.path,
                field="field",
                found="gaussians, and data with times",
                expected="data that stands still",
                hint="dataset.times=ignore takes all photos to show the same moment",
            )
        super().__init__(
            renderer,
            scene,
            codes=Exposures(len(scene)) if exposure else None,
            refine_poses=refine_poses,
            vary_background=vary_background,
            rates={"appearance": exposure_lr, "poses": pose_lr, "background": background_lr},
            lpips=lpips,
        )
        self.ssim, self.weights, self.strategy = ssim, weights, strategy
        file = None if init_from is None else Path(init_from)
        self.seeding = Seeding(init, file, init_count)
        self.module.add_module("strategy", strategy)
        self.splats = renderer
        strategy.begin(0, scene_extent(scene))
        self._statistics: ScreenStatistics | None = None
        self._order: list[int] = []  # of the photos of this round that are still to come

    @property
    def field(self) -> Gaussians:
        """The Gaussians."""
        return self.splats.field

    def begin(self, generator: torch.Generator, display: Display | None = None) -> None:
        """Place the first Gaussians.

        Raises:
            InputError: where the scene, or a file, does not have what is asked for.
        """
        values = first_gaussians(
            self.scene,
            checked(self.seeding),
            generator,
            opacity=self.strategy.seed_opacity,
            scale=self.strategy.seed_scale,
            degree=self.field.degree,
        )
        self.field.place(values)
        self.strategy.begin(len(self.field), scene_extent(self.scene))
        if display is not None:
            display.note(f"gaussians {len(self.field):,} to begin with")

    @cached_property
    def photos(self) -> PlanarPhotos:
        """The training photos; made when first needed, as it decodes all of them.

        Raises:
            InputError: when a loss has a weight and the scene nothing to hold it to.
        """
        scene = self.scene
        known = {"depth": scene.depths is not None, "normals": scene.normals is not None}
        check_known(scene, self.weights, known)
        return PlanarPhotos(scene, "train")

    def grow(self, step: int, progress: float, generator: torch.Generator) -> Sequence[Replacement]:
        """Let further harmonics count, and Gaussians multiply, move and vanish when due."""
        self.field.grow(step, progress)
        if not self.strategy.due(step, progress):
            return []
        refined = self.strategy.refine(self.field.tensors, step, progress, generator)
        self.field.replace(refined.parameters)
        return refined.replaced

    def before_step(self, step: int, progress: float, generator: torch.Generator) -> None:
        """Nothing is refreshed between steps."""

    def loss(self, step: int, progress: float, generator: torch.Generator) -> StepResult:
        """Draw the next photo's picture, compare."""
        if len(self.field) == 0:
            raise InputError("no Gaussians to learn", field="field", hint="`begin` places some")
        i = self._next_photo(generator)
        behind = self._training_background(generator)
        view, self._statistics = self._view(i), ScreenStatistics()
        drawn = self.splats.draw(view, behind, self._wants, self._statistics)
        rgb = drawn.rgb if self.codes is None else exposed(drawn.rgb, self.codes(i))
        truth, mask = self._truth(i, behind)
        terms = {"color": photometric_loss(rgb, truth, self.ssim, mask)}
        terms.update(self._other_losses(i, drawn))
        total = torch.stack(list(terms.values())).sum() if len(terms) > 1 else terms["color"]
        pixels = view.width * view.height
        with torch.no_grad():
            psnr = _psnr(rgb, truth, mask)
        return StepResult(total, terms, {"psnr": psnr, "gaussians": len(self.field)}, pixels)

    def after_step(
        self, step: int, progress: float, rates: Mapping[str, float], generator: torch.Generator
    ) -> None:
        """Let the strategy note what the picture said, and move what it moves."""
        statistics, parameters = self._statistics, self.field.tensors
        assert statistics is not None, "a loss comes first"
        size = self._size
        self.strategy.after_backward(parameters, statistics, size, step, progress)
        self.strategy.after_step(parameters, rates.get("means", 0.0), generator)
        self._statistics = None

    def _next_photo(self, generator: torch.Generator) -> int:
        """All photos in a random order, then again in another."""
        if not self._order:
            train = self.scene.splits["train"]
            self._order = train[torch.randperm(len(train), generator=generator)].tolist()
        return self._order.pop()

    def _view(self, i: int) -> PinholeView:
        pose = None
        if self.poses is not None:
            pose = inverse_pose(self.poses.pose(self.scene.cameras.world_from_camera[i], i))
        view = view_of(self.scene.cameras, i, like=self.field.means, camera_from_world=pose)
        self._size = (view.width, view.height)
        return view

    @property
    def _wants(self) -> list[str]:
        """What is drawn beside colours."""
        needed = {"z_depth": self.weights["depth"], "normals": self.weights["normals"]}
        return [name for name, weight in needed.items() if weight]

    def _training_background(self, generator: torch.Generator) -> Float[Tensor, "3"] | None:
        if self.varies_background:
            return torch.rand(3, generator=generator)
        return self.background

    def _truth(self, i: int, behind: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Photo i [3,h,w], laid on what is behind, and its mask [h,w]."""
        photo = self.photos[i]
        truth: Tensor = photo.rgb
        if photo.alpha is not None and behind is not None:
            alpha = photo.alpha.float() / 255
            truth = (truth.float() / 255) * alpha + (1 - alpha) * behind.detach()[:, None, None]
        return truth, photo.mask

    def _other_losses(self, i: int, drawn: Rasterized) -> dict[str, Tensor]:
        """Weighted terms beside colour."""
        terms = {}
        mask = self.photos[i].mask
        inside = True if mask is None else mask.flatten() != 0
        if drawn.z_depth is not None:
            assert self.scene.depths is not None, "checked where the photos are made"
            known = torch.from_numpy(self.scene.depths[i][..., 0]).flatten().to(drawn.z_depth)
            opacity = drawn.opacity.flatten()
            found = drawn.z_depth.flatten() / opacity.clamp(min=1e-10)
            error = losses.depth_error(found, opacity, known * inside)
            terms["depth"] = self.weights["depth"] * error
        if drawn.normals is not None:
            assert self.scene.normals is not None, "checked where the photos are made"
            known = torch.from_numpy(self.scene.normals[i]).reshape(-1, 3).to(drawn.normals)
            hit = (drawn.opacity.flatten() > SURFACE) & inside
            found = torch.nn.functional.normalize(drawn.normals.flatten(1).T[hit], dim=1)
            terms["normals"] = self.weights["normals"] * losses.normal_error(found, known[hit])
        if self.codes is not None:
            terms["exposure"] = self.weights["exposure_weight"] * self.codes.distance(i)
        terms.update(self.strategy.penalties(self.field.tensors))
        return terms

    def state(self) -> dict[str, Any]:
        """What the strategy says of itself, and the photos that are still to come."""
        return {"strategy": self.strategy.state(), "order": list(self._order)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Undo `state`."""
        self.strategy.load_state(state["strategy"])
        self._order = [int(i) for i in state["order"]]


def _psnr(rgb: Tensor, truth: Tensor, mask: Tensor | None) -> Float[Tensor, ""]:
    """Of the pixels that count, dB."""
    truth = truth.to(rgb) / 255 if truth.dtype == torch.uint8 else truth
    errors = (rgb - truth).square().mean(dim=0)
    if mask is not None:
        errors = errors[mask != 0]
    return -10 * errors.mean().log10()
