"""The occupancy-marched volume renderer.

Letters: r rays, n samples, q numbers a ray.

Where the field has block functions the whole batch is one fused operation (`kernels.volume`);
otherwise the same samples go through the field as a function of points (`renderers.packed`). Both
give the same picture and the same gradients, to rounding.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.cameras import Cameras, Rays
from polyfield.errors import InputError
from polyfield.fields.backbone import Replacement
from polyfield.fields.field import RadianceField
from polyfield.fields.resampling import Box
from polyfield.kernels.volume import Geometry
from polyfield.renderers.backend import Backend, check_backend, runs_fused
from polyfield.renderers.halved import halved
from polyfield.renderers.image import render_image
from polyfield.renderers.normals import density_normals
from polyfield.renderers.occupancy import Cells, OccupancyGrid
from polyfield.renderers.packed import count_samples, render_packed
from polyfield.renderers.render import Render

CHUNK = 1 << 16  # rays a call when rendering whole images


class VolumeRenderer(nn.Module):
    """A radiance field seen through an occupancy grid.

    Args:
        field: the radiance field.
        occupancy: the estimator over the same domain; told here whether the scene moves.
        step: marching step, world units, while training.
        cells_a_step: a marching step in cells of the field's finest lattice, which takes the place
            of `step`; None for that.
        cone: growth of the step with distance; 0 for a constant step.
        fine: share of both that is taken in pictures. Training shifts its samples by random parts
            of a step, so that long ones do not show; a picture is taken once.
        near, far: distances along a ray between which samples lie.
        stop: transmittance below which a ray ends.
        faint: weight below which a sample gets no colour and is black (TensoRF); for decoders
            without a trunk; 0 for none.
        gradient_near: distance below which samples' gradients are scaled by (t / distance)^2, so
            that nothing grows in front of the cameras (Philip and Deschaintre 2023); 0 for off.
        halve: whether pictures of what stands still look closely at occupied cells first, see
            `renderers.halved`; while evaluating (`eval()`).
        backend: "fused", "modular" or "auto" (fused where the field allows it).

    Attributes:
        picture_box: [2,3] corners in the world of what pictures show; None for everything.
    """

    def __init__(
        self,
        field: RadianceField,
        occupancy: OccupancyGrid,
        step: float = 0.0125,
        cone: float = 0.0,
        near: float = 0.0,
        far: float = 1e3,
        stop: float = 1e-3,
        faint: float = 0.0,
        gradient_near: float = 0.0,
        fine: float = 0.9,
        cells_a_step: float | None = None,
        halve: bool = True,
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        if not 0.05 <= fine <= 1:
            raise InputError(field="renderer.fine", found=fine, expected="0.05 to 1")
        if not (step > 0 and 0 <= near < far < math.inf and cone >= 0 and 0 <= stop < 1):
            raise InputError(
                field="renderer",
                found=f"step {step}, near {near}, far {far}, cone {cone}, stop {stop}",
                expected="step > 0, 0 <= near < far, far finite, cone >= 0, 0 <= stop < 1",
            )
        # Marching counts steps in float32.
        if (far - near) / (fine * max(step, cone * far)) > 1 << 22:
            raise InputError(
                field="renderer.step", found=step, expected="at least (far - near) / 4 million"
            )
        if cells_a_step is not None and (field.backbone.cells is None or not cells_a_step > 0):
            raise InputError(
                field="renderer.cells_a_step",
                found=f"{cells_a_step:g}, and {type(field.backbone).__name__}",
                expected="null, or above 0 with a lattice (vm, cp, kplanes, dense...)",
            )
        if not 0 <= faint < 1 or (faint and not field.decoder.summed):
            found = f"{faint:g}{'' if field.decoder.summed else ', and a decoder with a trunk'}"
            raise InputError(
                field="renderer.faint", found=found, expected="0, or below 1 without a trunk"
            )
        check_backend(backend)
        self.field, self.occupancy, self.cells_a_step = field, occupancy, cells_a_step
        occupancy.moving = field.moves
        self._step, self.cone, self.near, self.far, self.fine = step, cone, near, far, fine
        self.stop, self.faint = stop, faint
        self.gradient_near, self.halve, self.backend = gradient_near, halve, backend
        self._halved: tuple[list[int], Cells] | None = None
        self.picture_box: Tensor | None = None

    @property
    def step(self) -> float:
        """The marching step while training, world units."""
        if self.cells_a_step is None:
            return self._step
        cells = self.field.backbone.cells
        assert cells is not None
        edges = (self.field.domain.bounds[1] - self.field.domain.bounds[0]).tolist()
        return self.cells_a_step * sum(edge / n for edge, n in zip(edges, cells)) / len(edges)

    @property
    def fused(self) -> bool:
        """Whether batches run as one fused operation."""
        return runs_fused(self.backend, self.field)

    def train(self, mode: bool = True) -> VolumeRenderer:
        """As every module; evaluation looks at the field anew, once."""
        self._halved = None
        return super().train(mode)

    def _picture_cells(self) -> Cells:
        """Where pictures take samples: while evaluating, what stands still is looked at closely."""
        if self.training or self.field.moves or not self.halve:
            return self.occupancy.cells
        # Whatever torch writes raises a version: a checkpoint that is loaded, averages.
        state = [tensor._version for tensor in (*self.parameters(), self.occupancy.occupied)]
        if self._halved is None or self._halved[0] != state:
            cells = halved(self.occupancy, self.field.density, self.step_size)
            self._halved = state, cells
        return self._halved[1]

    def geometry(
        self,
        dtype: np.dtype,
        share: float = 1.0,
        step: float | None = None,
        cells: Cells | None = None,
    ) -> Geometry:
        """Where samples are taken, as the kernels read it.

        Args:
            share: of the training's steps.
            step: of training, world units; the present one by default.
            cells: that are occupied; training's by default.
        """
        cells, domain = self.occupancy.cells if cells is None else cells, self.field.domain
        lower, upper = domain.bounds.double().numpy()
        clip = cells.clip.double().numpy().ravel()
        step, cone = share * (self.step if step is None else step), share * self.cone
        steps = [self.near, self.far, step, cone, 1e9 if cone else step]
        march = np.concatenate([lower, 1 / (upper - lower), clip, steps]).astype(dtype)
        return Geometry(np.array([domain.code, cells.resolution]), march, cells.distances.numpy())

    def forward(
        self,
        rays: Rays,
        background: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
        appearance: Float[Tensor, "r a"] | None = None,
    ) -> Render:
        """Render rays, differentiably.

        Args:
            background: [3] or [r, 3] sRGB behind everything; None leaves rgb premultiplied.
            generator: given while training, shifts every ray's samples by a random part of a step.
            appearance: a code per ray, for decoders that take one.
        """
        r = len(rays.origins)
        dtype = self.field.decoder.trunk.dtype
        origins, directions = rays.origins.to(dtype), rays.directions.to(dtype)
        jitter = torch.full((r,), 0.5, dtype=dtype)
        if generator is not None:
            jitter = torch.rand(r, generator=generator, dtype=dtype)
        ray_features = self.field.decoder.ray_features(directions, appearance)
        times = self.field.times(rays.times)
        times = None if times is None else times.to(dtype)
        median = torch.zeros(r, dtype=dtype)
        number = jitter.numpy().dtype
        box = None
        if generator is None:
            geometry, box = self._picture_geometry(number)
        else:
            geometry = self.geometry(number)
        if self.fused and box is None:
            kernels = self.field.kernels
            assert kernels is not None
            decoder = self.field.decoder
            settings = [self.stop, decoder.shift, self.gradient_near, decoder.scale, self.faint]
            out, n_samples = kernels(
                origins,
                directions,
                ray_features,
                self.field.params,
                geometry,
                np.array(settings, number),
                jitter.numpy(),
                None if times is None else times.numpy(),
                median,
            )
        else:
            out, n_samples = render_packed(
                self, origins, directions, ray_features, jitter, geometry, times, median, box
            )
        rgb, opacity = out[:, :3], out[:, 3]
        if background is not None:
            rgb = torch.addcmul(rgb, (1 - opacity)[:, None], background.to(rgb.dtype))
        depth = out[:, 4] / opacity.clamp(min=1e-10)
        extras = {"distortion": out[:, 5], "n_samples": n_samples}
        return Render(rgb, opacity, depth, median_depth=median, extras=extras)

    def _picture_geometry(self, number: np.dtype) -> tuple[Geometry, Tensor | None]:
        """Where pictures take samples, and the box in which those count that this cannot say."""
        cells, box = self._picture_cells(), self.picture_box
        if box is not None and self.field.domain.kind == "box":
            lower = torch.maximum(cells.clip[0], box[0].to(cells.clip))
            upper = torch.minimum(cells.clip[1], box[1].to(cells.clip))
            cells, box = cells._replace(clip=torch.stack([lower, upper.maximum(lower)])), None
        return self.geometry(number, self.fine, cells=cells), box

    @torch.no_grad()
    def sample_counts(self, rays: Rays) -> Float[Tensor, " r"]:
        """How many samples a picture takes along each ray until nothing behind them is seen."""
        dtype = self.field.decoder.trunk.dtype
        origins, directions = rays.origins.to(dtype), rays.directions.to(dtype)
        jitter = torch.full((len(origins),), 0.5, dtype=dtype)
        times = self.field.times(rays.times)
        times = None if times is None else times.to(dtype)
        geometry = self._picture_geometry(jitter.numpy().dtype)[0]
        return count_samples(self, origins, directions, jitter, geometry, times)

    def step_size(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Length of a marching step at world points, seen from the middle of the domain."""
        if self.cone == 0:
            return x.new_full((len(x),), self.step)
        distance = torch.linalg.vector_norm(x - self.field.domain.bounds.mean(dim=0), dim=-1)
        return (self.cone * distance.clamp(max=self.far)).clamp(min=self.step)

    @torch.no_grad()
    def update(self, step: int, generator: torch.Generator | None = None) -> None:
        """Before training step `step`: refresh the occupancy when due."""
        if self.fused and self.field.kernels is not None:
            self.field.kernels.compile_ahead(self.field.decoder.trunk.dtype)
        self._halved = None
        if not self.occupancy.due(step):
            return
        self.occupancy.measured &= self.cells_a_step is None  # the field's cells may have changed
        density: Callable[[Tensor], Tensor] = self.field.density
        if self.field.moves:
            density = partial(self._density_at_any_time, generator=generator)
        self.occupancy.update(step, density, self.step_size, generator)

    def _density_at_any_time(
        self, x: Float[Tensor, "n 3"], generator: torch.Generator | None
    ) -> Float[Tensor, " n"]:
        """Densities at random times, one for each point."""
        times = torch.rand(len(x), generator=generator, device=x.device)
        return self.field.density(x, times)

    @property
    def croppable(self) -> bool:
        """Whether `crop` works: see `RadianceField.croppable`."""
        return self.field.croppable

    def occupied_box(self) -> Box:
        """The part of the domain that holds something, in the unit cube."""
        if not self.occupancy.found:
            warnings.warn(
                "nothing in the scene is dense yet: its box is cut to the densest cells, which may "
                "not be where it is; crop later, or train longer",
                stacklevel=2,
            )
        return self.occupancy.box()

    def crop(self, box: Box) -> list[Replacement]:
        """Spend field and occupancy on a part of the domain; what was replaced.

        Args:
            box: the part, in the unit cube.
        """
        replaced = self.field.crop(box)
        self.occupancy.crop(box, self.step_size)
        self._halved = None
        return replaced

    def image(
        self,
        cameras: Cameras,
        i: int,
        background: Tensor | None = None,
        modes: tuple[str, ...] = ("rgb",),
        appearance: Float[Tensor, " a"] | None = None,
    ) -> Render:
        """The whole picture of camera i, [h, w, ...], with normals when `modes` asks for them."""
        return render_image(self, cameras, i, background, modes, appearance, CHUNK)

    def surface_normals(
        self, rays: Rays, depth: Float[Tensor, " r"], eps: float | None = None
    ) -> Float[Tensor, "r 3"]:
        """Unit normals where rays meet the surface, world.

        Args:
            rays: origins in world units, directions of unit length.
            depth: distance along each ray at which to look, world units.
            eps: half the width of the differences, world units; by default a marching step.
        """
        x = rays.origins + depth[:, None] * rays.directions
        width = self.step_size(x) if eps is None else x.new_full((len(x),), eps)
        return density_normals(partial(self.field.density, times=rays.times), x, width)

    def parameter_groups(self) -> list[dict]:
        """Groups for the optimiser."""
        return self.field.parameter_groups()

    def regularization(self) -> Tensor:
        """The field's penalty."""
        return self.field.regularization()
