"""The radiance task for Gaussians: a whole photo a step against their picture.

Letters: h, w pixels, n Gaussians.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.datasets.photos import FACTORS, Photo, PlanarPhotos
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
from polyfield.training.seeds import as_disks, scene_extent
from polyfield.training.surface_terms import surface_terms
from polyfield.training.task import Metric, StepResult


class SplattingTask(PhotoTask):
    """Learns Gaussians from photos.

    Args:
        renderer: of the Gaussians.
        scene: the photos, of pinhole cameras.
        strategy: how the number of Gaussians changes.
        ssim: share of the loss that is 1 - SSIM; the rest is the absolute error.
        upsample: shares of the training at which photos double in size, the last time to their own.
        depth, normals: weights of depth maps and of normals, which the scene must have; 0 for off.
        surfel_distortion: weight of the distortion of depths in a pixel, of surfels alone.
        normal_consistency: weight of how normals differ from those of the depths; None for 0.05 of
            surfels and 0 of Gaussians.
        surfel_distortion_start, normal_consistency_start: shares of the training from which they
            count.
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
        upsample: Sequence[float] = (),
        depth: float = 0.0,
        normals: float = 0.0,
        surfel_distortion: float = 0.0,
        surfel_distortion_start: float = 0.1,
        normal_consistency: float | None = None,
        normal_consistency_start: float = 0.2333,
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
        if 2 ** len(upsample) not in FACTORS or not all(0 <= share <= 1 for share in upsample):
            expected = "up to 3 shares of the training, 0 to 1"
            raise InputError(field="task.upsample", found=list(upsample), expected=expected)
        weights = {"depth": depth, "normals": normals, "exposure_weight": exposure_weight}
        check_weights(weights)
        self.surface = surface_terms(
            renderer.field.primitive,
            surfel_distortion,
            surfel_distortion_start,
            normal_consistency,
            normal_consistency_start,
        )
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
        self.upsample = tuple(upsample)
        file = None if init_from is None else Path(init_from)
        self.seeding = checked(Seeding(init, file, init_count))
        self.module.add_module("strategy", strategy)
        self.splats = renderer
        strategy.begin(0, scene_extent(scene))
        self._statistics: ScreenStatistics | None = None
        self._stages = self.surface.stages
        self._photos_state: dict[str, Any] | None = None  # of photos that are not needed yet

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
            self.seeding,
            generator,
            opacity=self.strategy.seed_opacity,
            scale=self.strategy.seed_scale,
            degree=self.field.degree,
        )
        if self.field.primitive == "surfels":
            values = as_disks(values, generator)
        self.field.place(values)
        if self.seeding.file is not None:
            self.field.count_learned()
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
        wanted = {"depths": self.weights["depth"] > 0, "normals": self.weights["normals"] > 0}
        photos = PlanarPhotos(scene, "train", **wanted)
        if self._photos_state is not None:
            photos.load_state(self._photos_state)
        return photos

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
        factor = self._factor(progress)
        photo = self.photos.sample(generator, factor)
        if factor > 1 and photo.mask is not None and not bool(photo.mask.any()):
            factor, photo = 1, self.photos.at(photo.index)  # made small, nothing of it is valid
        behind = self.training_background(generator)
        view, self._statistics = self.view(photo.index, factor), self.strategy.statistics()
        self._meet_later_terms(view)
        laid_behind = behind if self.codes is None else None  # what is behind is not exposed
        drawn = self.splats.draw(view, laid_behind, self._wants(progress), self._statistics)
        rgb = drawn.rgb
        if self.codes is not None:
            rgb = exposed(drawn, self.codes(photo.index), behind)
        truth = laid_on(photo, behind)
        terms = {"color": photometric_loss(rgb, truth, self.ssim, photo.mask)}
        terms.update(self._other_losses(photo, drawn))
        terms.update(self.surface.terms(drawn, view, progress))
        total = torch.stack(list(terms.values())).sum() if len(terms) > 1 else terms["color"]
        pixels = view.width * view.height
        metrics: dict[str, Metric] = {
            "psnr": partial(_psnr, rgb.detach(), truth, photo.mask),
            "gaussians": len(self.field),
        }
        return StepResult(total, terms, metrics, pixels)

    def after_step(
        self, step: int, progress: float, rates: Mapping[str, float], generator: torch.Generator
    ) -> None:
        """Let the strategy note what the picture said, and move what it moves."""
        statistics, parameters = self._statistics, self.field.tensors
        if statistics is not None:
            self.strategy.after_backward(parameters, statistics, self._size, step, progress)
        self.strategy.after_step(parameters, rates.get("means", 0.0), generator)
        self._statistics = None

    def _factor(self, progress: float) -> int:
        """By which photos are smaller than they are."""
        return 2 ** sum(progress < share for share in self.upsample)

    def view(self, i: int, factor: int = 1) -> PinholeView:
        """The camera of photo i, moved as far as poses were refined, of 1 / factor of its size."""
        cameras, pose = self.scene.cameras, None
        if self.poses is not None:
            pose = inverse_pose(self.poses.pose(cameras.world_from_camera[i], i))
        view = view_of(cameras[i].scaled(1 / factor), 0, self.field.means, pose)
        self._size = (view.width, view.height)
        return view

    def _meet_later_terms(self, view: PinholeView) -> None:
        """Compile what terms will want that begin later, at the first loss: a step to warm up."""
        stages, self._stages = self._stages, []
        small = replace(view, width=4, height=4)
        for progress in stages:
            wants, statistics = self._wants(progress), self.strategy.statistics()
            drawn = self.splats.draw(small, None, wants, statistics)
            later = self.surface.terms(drawn, small, progress)
            torch.autograd.grad(sum(later.values(), drawn.rgb.sum()), self.field.means)

    def _wants(self, progress: float) -> list[str]:
        """What is drawn beside colours."""
        needed = {"z_depth": self.weights["depth"], "normals": self.weights["normals"]}
        held = {name for name, weight in needed.items() if weight}
        return sorted(held | self.surface.wants(progress))

    def training_background(self, generator: torch.Generator) -> Float[Tensor, "3"] | None:
        """sRGB behind the next picture; None for nothing."""
        if self.varies_background:
            return torch.rand(3, generator=generator)
        return self.background

    def _other_losses(self, photo: Photo, drawn: Rasterized) -> dict[str, Tensor]:
        """Weighted terms beside colour."""
        terms = {}
        inside = torch.tensor(True) if photo.mask is None else photo.mask != 0
        if self.weights["depth"]:
            assert drawn.z_depth is not None
            assert photo.z_depth is not None, "checked where the photos are made"
            found = drawn.z_depth / drawn.opacity.clamp(min=1e-10)
            known = (photo.z_depth * inside).flatten()
            error = losses.depth_error(found.flatten(), drawn.opacity.flatten(), known)
            terms["depth"] = self.weights["depth"] * error
        if self.weights["normals"]:
            assert drawn.normals is not None
            assert photo.normals is not None, "checked where the photos are made"
            hit = (drawn.opacity > SURFACE) & inside
            found = torch.nn.functional.normalize(drawn.normals[:, hit].T, dim=1)
            error = losses.normal_error(found, photo.normals[:, hit].T)
            terms["normals"] = self.weights["normals"] * error
        if self.codes is not None:
            terms["exposure"] = self.weights["exposure_weight"] * self.codes.distance(photo.index)
        terms.update(self.strategy.penalties(self.field.tensors))
        return terms

    def state(self) -> dict[str, Any]:
        """What the strategy says of itself, and where in a round of the photos training is."""
        made = "photos" in self.__dict__
        photos = self.photos.state() if made else self._photos_state
        return {"strategy": self.strategy.state(), "photos": photos}

    def load_state(self, state: dict[str, Any]) -> None:
        """Undo `state`; photos that are not needed yet stay on the disk."""
        self.strategy.load_state(state["strategy"])
        self._photos_state = state["photos"]
        if "photos" in self.__dict__:
            beginning = {"seed": 0, "position": len(self.photos)}
            self.photos.load_state(self._photos_state or beginning)


def laid_on(photo: Photo, behind: Tensor | None) -> Tensor:
    """[3,h,w] what a picture is held to: bytes, or with alpha numbers in [0, 1]."""
    if photo.alpha is None or behind is None:
        return photo.rgb
    alpha = photo.alpha / 255
    return photo.rgb / 255 * alpha + (1 - alpha) * behind.detach()[:, None, None]


def _psnr(rgb: Tensor, truth: Tensor, mask: Tensor | None) -> Float[Tensor, ""]:
    """Of the pixels that count, dB."""
    truth = truth.to(rgb) / 255 if truth.dtype == torch.uint8 else truth
    errors = (rgb - truth).square().mean(dim=0)
    if mask is not None:
        errors = errors[mask != 0]
    return -10 * errors.mean().log10()
