"""The proposal-sampled volume renderer, for scenes that reach from the lens to the horizon.

Letters: r rays, m intervals of a proposal, k final intervals, q numbers a ray, s normalised
distance (see `kernels.resample`).

Small density fields, one after the other, say where along a ray the light is stopped: the first is
asked at evenly spaced s, each next one (the radiance field last) where the one before put its mass.
Proposals learn from a bound alone (`kernels.interlevel`): they must leave no mass out that the
field has; the field learns from the pictures alone (mip-NeRF 360; Barron et al. 2022, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.cameras import Cameras, Rays
from polyfield.errors import InputError
from polyfield.fields.density_field import COARSEST, density_field, trained_density
from polyfield.fields.field import RadianceField
from polyfield.kernels.domain import BOX
from polyfield.kernels.interlevel import interlevel, ray_weights
from polyfield.kernels.listed import ListedKernels
from polyfield.kernels.resample import SPACINGS, distances, place, ray_spans, resample
from polyfield.renderers.backend import Backend, check_backend, runs_fused
from polyfield.renderers.image import render_image
from polyfield.renderers.normals import density_normals
from polyfield.renderers.render import Render
from polyfield.renderers.shade import shade

CHUNK = 1 << 13  # rays a call when rendering whole images
CELLS = 512  # cells an axis of the domain's box that differences for normals are wide


class Histogram(NamedTuple):
    """What a proposal sees along rays.

    Args:
        edges: normalised distances in [0, 1], ascending; constants.
        weights: the share of the light that each interval stops; with gradient to the proposal.
    """

    edges: Float[Tensor, "r m+1"]
    weights: Float[Tensor, "r m"]


class ProposalRenderer(nn.Module):
    """A radiance field seen where proposals say.

    Args:
        field: the radiance field.
        proposals: density fields, coarse to fine; a number stands for a small hash grid over the
            field's domain whose finest level has that many vertices an axis.
        time_resolution: vertices along time of such grids, for a field of space and time; None: as
            along the other axes.
        samples: m, of each proposal; final: k, of the field.
        near, far: distances along a ray between which samples lie, world units.
        spacing: of the first samples: "power" (even near by, coarser with distance), "disparity"
            (near above 0) or "linear".
        padding: share of the final samples that are spread over the whole ray.
        anneal: steps over which the proposals' weights come to be believed: they are raised to
            a = 10 f / (9 f + 1) with f = step / anneal.
        interlevel: weight of the proposals' loss.
        every: steps between updates of the proposals, once 1000 steps are done; before, fewer.
        proposal_lr: learning rate of the proposals relative to the optimiser's.
        stop: transmittance below which a ray ends.
        gradient_near: distance below which samples' gradients are scaled by (t / distance)^2, so
            that nothing grows in front of the cameras (Philip and Deschaintre 2023); 0 for off.
        backend: "fused", "modular" or "auto" (fused where the field allows it).
        generator: source of the proposals' initial values.
    """

    def __init__(
        self,
        field: RadianceField,
        proposals: Sequence[RadianceField | int] = (128, 256),
        samples: Sequence[int] = (64, 32),
        final: int = 32,
        near: float = 0.05,
        far: float = 1e3,
        spacing: Literal["power", "disparity", "linear"] = "power",
        padding: float = 0.02,
        anneal: int = 1000,
        interlevel: float = 1.0,
        every: int = 5,
        proposal_lr: float = 1.0,
        stop: float = 1e-3,
        gradient_near: float = 0.0,
        time_resolution: int | None = None,
        backend: Backend = "auto",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _check(near, far, spacing, stop, padding)
        check_backend(backend)
        if not len(proposals) == len(samples) >= 1 or min(*samples, final, every) < 1:
            raise InputError(
                field="renderer.samples",
                found=f"{list(samples)} for {len(proposals)} proposals, final {final}",
                expected="a number above 0 for each proposal",
            )
        coarse = [p for p in proposals if isinstance(p, int) and p < COARSEST]
        if coarse:
            raise InputError(
                field="renderer.proposals", found=coarse[0], expected=f"{COARSEST} or more"
            )
        self.field = field
        self.proposals = nn.ModuleList(
            density_field(
                field.domain,
                proposal,
                generator,
                in_dim=field.backbone.in_dim,
                time_resolution=time_resolution,
            )
            if isinstance(proposal, int)
            else proposal
            for proposal in proposals
        )
        self.samples, self.final = tuple(samples), final
        self.near, self.far, self.spacing, self.padding = near, far, spacing, padding
        self.anneal, self.every, self.weight = anneal, every, interlevel
        self.proposal_lr, self.stop, self.gradient_near = proposal_lr, stop, gradient_near
        self.backend = backend
        self.step = 0
        self.picture_box: Tensor | None = None  # [2,3] corners in the world of what pictures show
        self._listed: ListedKernels | None = None

    @property
    def fused(self) -> bool:
        """Whether the field's part of a batch runs as one fused operation."""
        return runs_fused(self.backend, self.field)

    @property
    def due(self) -> bool:
        """Whether the proposals learn in this step; ever more rarely in the first thousand."""
        interval = 1 + int((self.every - 1) * min(self.step / 1000, 1.0))
        return self.step % interval == 0

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
            rays: origins in world units, directions of unit length.
            background: [3] or [r, 3] sRGB behind everything; None leaves rgb premultiplied.
            generator: given while training: samples are shifted at random, weights annealed, and
                extras["losses"] has the proposals' loss in the steps in which they learn.
            appearance: a code per ray, for decoders that take one.
        """
        dtype = self.field.decoder.trunk.dtype
        origins, directions = rays.origins.to(dtype), rays.directions.to(dtype)
        times = self.field.times(rays.times)
        times = None if times is None else times.to(dtype)
        learns = generator is not None and torch.is_grad_enabled() and self.due
        domain = self.field.domain
        spans = ray_spans(origins, directions, domain.bounds, domain.code, self.near, self.far)
        if self.picture_box is not None and generator is None:
            spans = self._within_box(spans, origins, directions)
        edges, seen = self.propose(origins, directions, spans, generator, learns, times)
        t = distances(edges, spans, self.spacing)
        ray_features = self.field.decoder.ray_features(directions, appearance)
        rays_of = (origins, directions, ray_features)
        median = origins.new_zeros(len(origins))
        out, n_samples, density = self._shade(*rays_of, t, learns, times, median)
        rgb, opacity = out[:, :3], out[:, 3]
        if background is not None:
            rgb = rgb + (1 - opacity)[:, None] * background
        depth = out[:, 4] / opacity.clamp(min=1e-10)
        losses = {}
        if learns:
            assert density is not None
            with torch.no_grad():
                weights = ray_weights(density.view(-1, self.final), t.diff(dim=-1))
            excess = [interlevel(*histogram, edges, weights).sum() for histogram in seen]
            losses["interlevel"] = self.weight * torch.stack(excess).sum() / max(len(t), 1)
        extras = {"distortion": out[:, 5], "n_samples": n_samples, "losses": losses}
        return Render(rgb, opacity, depth, median_depth=median, extras=extras)

    def _within_box(
        self, spans: Float[Tensor, "r 2"], origins: Tensor, directions: Tensor
    ) -> Float[Tensor, "r 2"]:
        """Spans cut to `picture_box`; empty ones where rays miss it."""
        assert self.picture_box is not None
        box = self.picture_box.to(origins.dtype)
        inside = ray_spans(origins, directions, box, BOX, self.near, self.far)
        start = torch.maximum(spans[:, 0], inside[:, 0])
        return torch.stack([start, torch.minimum(spans[:, 1], inside[:, 1]).maximum(start)], dim=1)

    def sample_counts(self, rays: Rays) -> Float[Tensor, " r"]:
        """How many samples each ray takes: the same number for all."""
        return torch.full((len(rays),), float(sum(self.samples) + self.final))

    def propose(
        self,
        origins: Float[Tensor, "r 3"],
        directions: Float[Tensor, "r 3"],
        spans: Float[Tensor, "r 2"],
        generator: torch.Generator | None = None,
        learns: bool = False,
        times: Float[Tensor, " r"] | None = None,
    ) -> tuple[Float[Tensor, "r k+1"], list[Histogram]]:
        """Where to take the final samples.

        Args:
            origins, directions: world; directions of unit length.
            spans: the ends of the rays, world units.
            generator: as in `forward`.
            learns: whether weights get a gradient to their proposals.
            times: when the rays look, for a field of space and time.

        Returns:
            edges of the final intervals in s, and what each proposal saw.
        """
        r, m = len(origins), self.samples[0]
        jitter = self._jitter(r, origins, generator)
        steps = torch.arange(m + 1, dtype=origins.dtype, device=origins.device)
        edges = (steps + (jitter[0][:, None] - 0.5)) / m
        edges[:, 0], edges[:, -1] = 0.0, 1.0
        power, seen = self._power(generator is not None), []
        wanted = [*self.samples[1:], self.final]
        for proposal, k, shift in zip(self.proposals, wanted, jitter[1:]):
            assert isinstance(proposal, RadianceField)
            domain = proposal.domain
            t = distances(edges, spans, self.spacing)
            samples = place(t, origins, directions, domain.bounds, domain.code)
            with torch.set_grad_enabled(learns):
                u = proposal.at(samples.u, None if times is None else times[samples.ray])
                density = trained_density(proposal, u).view(r, t.shape[1] - 1)
                weights = ray_weights(density, t.diff(dim=-1))
            seen.append(Histogram(edges, weights))
            edges = resample(edges, weights, shift, k, power, self.padding)
        return edges, seen

    def _jitter(
        self, r: int, like: Tensor, generator: torch.Generator | None
    ) -> Float[Tensor, "levels r"]:
        levels = len(self.proposals) + 1
        if generator is None:
            return like.new_full((levels, r), 0.5)
        return torch.rand(levels, r, generator=generator, dtype=like.dtype, device=like.device)

    def _power(self, training: bool) -> float:
        """The exponent of the proposals' weights (mip-NeRF 360, eq. 18)."""
        if not training or self.step >= self.anneal:
            return 1.0
        f = self.step / self.anneal
        return 10 * f / (9 * f + 1)

    def _shade(
        self,
        origins: Float[Tensor, "r 3"],
        directions: Float[Tensor, "r 3"],
        ray_features: Float[Tensor, "r q"],
        t: Float[Tensor, "r k+1"],
        learns: bool,
        times: Float[Tensor, " r"] | None,
        median: Float[Tensor, " r"],
    ) -> tuple[Float[Tensor, "r 6"], int, Tensor | None]:
        """What `kernels.volume` computes, how many samples, and if `learns` their density.

        Writes distances of half transmittance to `median`.
        """
        field = self.field
        fused, density = self.fused, None
        if learns or not fused:
            samples = place(t, origins, directions, field.domain.bounds, field.domain.code)
            with torch.no_grad():
                u = field.at(samples.u, None if times is None else times[samples.ray])
                density = field.density_at(u)
        if not fused:
            out = shade(
                field, origins, directions, ray_features, samples, density, self.stop,
                self.gradient_near, times, median=median,
            )  # fmt: skip
            return out, len(samples.t), density
        decoder = field.decoder
        settings = [self.stop, decoder.shift, self.gradient_near, decoder.scale, 0.0]
        out, n_samples = self._listed_kernels()(
            origins, directions, ray_features, field.params, t, field.domain.bounds,
            field.domain.code, np.array(settings, t.numpy().dtype),
            None if times is None else times.numpy(), median,
        )  # fmt: skip
        return out, n_samples, density

    def _listed_kernels(self) -> ListedKernels:
        kernels = self.field.kernels
        assert kernels is not None
        if self._listed is None or self._listed.field_kernels is not kernels:
            self._listed = ListedKernels(kernels)
        return self._listed

    def update(self, step: int, generator: torch.Generator | None = None) -> None:
        """Before training step `step`: annealing and the proposals' updates follow it."""
        self.step = step
        if self.fused:
            self._listed_kernels().kernels.compile_ahead(self.field.decoder.trunk.dtype)

    def image(
        self,
        cameras: Cameras,
        i: int,
        background: Float[Tensor, "3"] | None = None,
        modes: tuple[str, ...] = ("rgb",),
        appearance: Float[Tensor, " a"] | None = None,
    ) -> Render:
        """The whole picture of camera i, [h, w, ...]; see `render_image`."""
        return render_image(self, cameras, i, background, modes, appearance, CHUNK)

    def surface_normals(
        self, rays: Rays, depth: Float[Tensor, " r"], eps: float | None = None
    ) -> Float[Tensor, "r 3"]:
        """Unit normals where rays meet the surface, world.

        Args:
            rays: origins in world units, directions of unit length.
            depth: distance along each ray at which to look, world units.
            eps: half the width of the differences, world units; by default it follows the domain,
                which is coarser far from its box.
        """
        x = rays.origins + depth[:, None] * rays.directions
        if eps is not None:
            width = x.new_full((len(x),), eps)
        else:
            lower, upper = self.field.domain.bounds
            outside = ((x - lower) / (upper - lower) * 2 - 1).abs().amax(dim=-1).clamp(min=1.0)
            width = (upper - lower).amax() / CELLS * outside.square()
        return density_normals(partial(self.field.density, times=rays.times), x, width)

    def parameter_groups(self) -> list[dict]:
        """Groups for the optimiser: the field's, then the proposals'."""
        groups = self.field.parameter_groups()
        for proposal in self.proposals:
            assert isinstance(proposal, RadianceField)
            for group in proposal.parameter_groups():
                rate = self.proposal_lr * group.get("lr_scale", 1.0)
                groups.append({**group, "name": f"proposal {group['name']}", "lr_scale": rate})
        return groups

    def regularization(self) -> Tensor:
        """The field's penalty."""
        return self.field.regularization()


def _check(near: float, far: float, spacing: str, stop: float, padding: float) -> None:
    if spacing not in SPACINGS:
        raise InputError(field="renderer.spacing", found=spacing, expected=" or ".join(SPACINGS))
    least = "above 0" if spacing == "disparity" else "0 or more"
    begins = near > 0 if spacing == "disparity" else near >= 0
    if not (begins and near < far < float("inf") and 0 <= stop < 1 and 0 <= padding < 1):
        raise InputError(
            field="renderer",
            found=f"near {near}, far {far}, stop {stop}, padding {padding}",
            expected=f"near {least}, far above near and finite, stop and padding in [0, 1)",
        )
