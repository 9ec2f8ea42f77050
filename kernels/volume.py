"""Rendering a batch of rays as one differentiable operation: the fused twin of the volume renderer.

Letters as in `kernels.render`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numba import get_num_threads
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels import ahead, frames, render
from polyfield.kernels.color import Head
from polyfield.kernels.encode import EncoderKernels
from polyfield.kernels.gradients import direct_gradient
from polyfield.kernels.launch import exclusive, launch
from polyfield.kernels.march import MARCH_FLOATS

MAX_BLOCK = 256  # rays that march together
BUNDLE = 16  # of these, neighbours in a picture, that look together for where matter begins
MIN_CAPACITY = 8192


@dataclass(frozen=True)
class DecoderKernels:
    """A decoder as block functions and the shapes they run on.

    Args:
        summed: features summed into the raw density, 0 when a trunk computes it.
        trunk_shape: the trunk's network, as in `kernels.mlp` (no layers when `summed`).
        color_shape: as in `kernels.color`.
        color: the colour head.
        color_width: numbers a row that the head keeps for its backward.
        ray_width: numbers a ray that the head reads.
        activation: `samples.EXP` or `SOFTPLUS`; shift: added to the raw density; scale: of
            the activated density.
    """

    summed: int
    trunk_shape: np.ndarray
    color_shape: np.ndarray
    color: Head
    color_width: int
    ray_width: int
    activation: int
    shift: float
    scale: float

    @property
    def trunk_width(self) -> int:
        layers = int(self.trunk_shape[0])
        return int(self.trunk_shape[3 : 3 + layers].sum())


class Geometry(NamedTuple):
    """Where samples are taken: the arrays of `kernels.march`."""

    grid: np.ndarray
    march: np.ndarray
    distances: np.ndarray


@dataclass
class Stash:
    """A thread's rows, reused from step to step; `ticket` says whose they are."""

    capacity: int = 0
    ticket: int = 0
    arrays: tuple[np.ndarray, ...] = field(default_factory=tuple)

    def reserve(
        self,
        capacity: int,
        threads: int,
        widths: tuple[int, ...],
        dtype: np.dtype,
        culls: bool = False,
    ) -> None:
        """Make room for rows, and as many bright ones where `culls`."""
        arrays = self.arrays
        same = arrays and arrays[1].dtype == dtype and len(arrays[0]) == threads
        if same and capacity <= self.capacity and (arrays[10].shape[1] > 0 or not culls):
            return
        coordinates, features, acts, color_acts = widths
        shapes = [
            (threads, capacity),
            (threads, capacity),
            (threads, capacity, coordinates),
            (threads, capacity, features),
            (threads, capacity * acts),
            (threads, capacity * color_acts),
            (threads, capacity),
            (threads, capacity),
            (threads, capacity, 3),
        ]
        rays = np.empty((threads, capacity), np.int32)
        bright = capacity if culls else 0
        of_bright = [np.empty((threads, bright), np.int32) for _ in range(2)]
        of_bright += [np.empty((threads, bright, n), dtype) for n in (coordinates, features, 3)]
        self.arrays = (rays, *(np.empty(shape, dtype) for shape in shapes), *of_bright)
        self.capacity = capacity


class VolumeKernels:
    """The fused render step of one encoder and one decoder.

    Args:
        density_parts: parts of the encoder whose features the density needs; None: all.
        template: which of `ahead.TEMPLATES` takes the samples.
    """

    def __init__(
        self,
        encoder: EncoderKernels,
        decoder: DecoderKernels,
        density_parts: int | None = None,
        template: str = "forward",
    ) -> None:
        self.encoder, self.decoder = encoder, decoder
        self.density_parts = encoder.n_parts if density_parts is None else density_parts
        self.density_columns = encoder.columns(self.density_parts)
        self.training, self.inference = Stash(), Stash()
        self.template = template

    def compile_ahead(self, dtype: torch.dtype) -> None:
        """Begin to compile what a training needs, should nobody have yet, in other processes."""
        if dtype == torch.float32:
            ahead.start("backward", self.template)

    def _widths(self) -> tuple[int, ...]:
        decoder = self.decoder
        return self.encoder.in_dim, self.encoder.width, decoder.trunk_width, decoder.color_width

    def run_forward(
        self,
        stash: Stash,
        keep: bool,
        rays: tuple[np.ndarray, ...],
        geometry: Geometry,
        settings: np.ndarray,
        params: tuple[np.ndarray, ...],
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], int]:
        """Returns out [r, 6 + 1], rows and bright rows a thread [threads], marched samples.

        Column 6 has the median distance. Grows the stash at need.
        """
        origins, directions, jitter, ray_features, times = rays
        n, threads, dtype = len(origins), get_num_threads(), settings.dtype
        blocks_each = -(-n // (threads * MAX_BLOCK))
        block_rays = max(-(-n // (threads * blocks_each)), 1)
        capacity = max(stash.capacity, MIN_CAPACITY, block_rays * render.ROUND * 4)
        out = np.empty((n, render.N_OUT + 1), dtype)
        rows, bright, marched = (np.zeros(threads, np.int64) for _ in range(3))
        culls = bool(settings[render.FAINT] > 0)
        decoder, encoder = self.decoder, self.encoder
        encoding = encoder.encoding(params[0], params[1])
        color = decoder.color.forward.address(dtype)
        run = ahead.kernel(self.template)
        while True:
            with launch():  # the scratch too: it is shared with other threads
                stash.reserve(capacity, threads, self._widths(), dtype, culls)
                run(
                    origins, directions, jitter, ray_features, times, *geometry, settings,
                    decoder.activation, encoding, encoder.n_parts, self.density_parts,
                    self.density_columns, decoder.summed, params[2], decoder.trunk_shape, color,
                    params[3], decoder.color_shape, keep, block_rays, 0 if keep else BUNDLE,
                    *stash.arrays, out, rows, bright, marched,
                )  # fmt: skip
            if (rows >= 0).all():
                return out, (rows, bright), int(marched.sum())
            capacity = stash.capacity * 2

    def run_backward(
        self,
        stash: Stash,
        rays: tuple[np.ndarray, ...],
        geometry: Geometry,
        settings: np.ndarray,
        params: tuple[np.ndarray, ...],
        out: np.ndarray,
        rows: tuple[np.ndarray, np.ndarray],
        d_out: np.ndarray,
        want_points: bool,
        want_features: bool,
        d_params: np.ndarray,
    ) -> tuple[np.ndarray, ...]:
        """Gradients of origins, directions, ray features, params (4); adds to `d_params`.

        Those of rays and frames, and of the rays' features, are computed only where wanted.
        """
        origins, directions, _, ray_features, _ = rays
        decoder, encoder = self.decoder, self.encoder
        links = (frames.BACKWARD, frames.GRADIENT) if want_points else (frames.BACKWARD,)
        encoding = encoder.encoding(params[0], params[1], *links)
        color = decoder.color.backward.address(settings.dtype)
        run = ahead.kernel("backward")
        threads = len(rows[0])
        d_frames = np.zeros((threads, *params[1].shape), settings.dtype)
        d_trunk = np.zeros((threads, len(params[2])), settings.dtype)
        d_color = np.zeros((threads, len(params[3])), settings.dtype)
        d_features = np.zeros_like(ray_features if want_features else ray_features[:0])
        d_origins, d_directions = np.zeros_like(origins), np.zeros_like(directions)
        with launch():
            run(
                origins, directions, ray_features, geometry.grid, geometry.march, settings,
                encoding, encoder.n_parts, self.density_parts, self.density_columns,
                decoder.summed, params[2], decoder.trunk_shape, color, params[3],
                decoder.color_shape, *stash.arrays, out, *rows, d_out, d_params, d_trunk, d_color,
                d_features, d_frames, want_points, d_origins, d_directions,
            )  # fmt: skip
        return (
            d_origins, d_directions, d_features, d_params, d_frames.sum(axis=0),
            d_trunk.sum(axis=0), d_color.sum(axis=0),
        )  # fmt: skip

    def __call__(
        self,
        origins: Float[Tensor, "r 3"],
        directions: Float[Tensor, "r 3"],
        ray_features: Float[Tensor, "r q"],
        params: tuple[Tensor, Tensor, Tensor, Tensor],
        geometry: Geometry,
        settings: np.ndarray,
        jitter: np.ndarray | None = None,
        times: np.ndarray | None = None,
        median: Float[Tensor, " r"] | None = None,
    ) -> tuple[Float[Tensor, "r 6"], int]:
        """Render rays.

        Args:
            origins, directions: world; directions of unit length.
            ray_features: what the colour head reads of a ray: the direction's harmonics, then any
                code of the ray; or weights made of these.
            params: the encoder's flat parameters and its frames [t, d, d], the trunk's and the
                colour head's flat parameters.
            geometry: see `Geometry`, arrays of the parameters' type.
            settings: [stop transmittance, density shift, near scale, density scale, weight below
                which a sample gets no colour (needs a decoder without trunk)].
            jitter: [r] in [0, 1), the fraction of a step by which a ray's lattice is shifted.
            times: [r] in [0, 1], the fourth coordinate, for an encoder of four.
            median: where the distances are written at which transmittance falls to one half, 0
                where it never does.

        Returns:
            [r, 6] rgb, opacity, sum of weight times distance, distortion; and the number of
            samples marched. Differentiable in the tensors.
        """
        if jitter is None:
            jitter = np.full(len(origins), 0.5, settings.dtype)
        times = np.empty(0, settings.dtype) if times is None else times
        self._check(origins, directions, ray_features, params, geometry, settings, jitter, times)
        tensors = (origins, directions, ray_features, *params)
        info: dict[str, Any] = {}
        if len(origins) == 0:
            return sum(x.sum() * 0 for x in tensors) + origins.new_zeros(0, render.N_OUT), 0
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            out = _Render.apply(*tensors, jitter, times, geometry, settings, self, info)
            if median is not None:
                median.copy_(info["median"])
            return out, info["marched"]
        arrays = [tensor.detach().contiguous().numpy() for tensor in tensors]
        rays = (arrays[0], arrays[1], jitter, arrays[2], times)
        result, _, marched = self.run_forward(
            self.inference, False, rays, geometry, settings, tuple(arrays[3:])
        )
        whole = torch.from_numpy(result)
        if median is not None:
            median.copy_(whole[:, render.MEDIAN])
        return whole[:, : render.N_OUT], marched

    def _check(
        self,
        origins: Tensor,
        directions: Tensor,
        ray_features: Tensor,
        params: tuple[Tensor, ...],
        geometry: Geometry,
        settings: np.ndarray,
        jitter: np.ndarray,
        times: np.ndarray,
    ) -> None:
        """Compiled code reads what it is given: nothing may be shorter than it says."""
        n = len(origins)
        shapes = [tuple(x.shape) for x in (origins, directions, ray_features)] + [jitter.shape]
        expected = [(n, 3), (n, 3), (n, self.decoder.ray_width), (n,)]
        if shapes != expected:
            raise InputError(field="rays", found=shapes, expected=expected)
        wanted = {3: (0,), 4: (n,)}.get(self.encoder.in_dim)
        if times.shape != wanted:
            field = f"times of rays, for {self.encoder.in_dim} coordinates"
            raise InputError(field=field, found=times.shape, expected=wanted)
        if geometry.march.shape != (MARCH_FLOATS,):
            raise InputError(field="geometry", found=geometry.march.shape, expected=(MARCH_FLOATS,))
        if settings.shape != (render.N_SETTINGS,):
            raise InputError(field="settings", found=settings.shape, expected=(render.N_SETTINGS,))
        if settings[render.FAINT] > 0 and self.decoder.summed == 0:
            raise InputError(
                field="renderer.faint", found="a decoder with a trunk", expected="one without, or 0"
            )
        arrays = (geometry.march, settings, jitter, times)
        names = {str(x.dtype).removeprefix("torch.") for x in (origins, directions, ray_features)}
        names |= {str(x.dtype).removeprefix("torch.") for x in params}
        names |= {str(x.dtype) for x in arrays}
        if len(names) > 1:
            raise InputError(field="rays", found=sorted(names), expected="one floating type")


class _Render(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        *tensors, jitter, times, geometry, settings, kernels, info = inputs
        arrays = [tensor.detach().contiguous().numpy() for tensor in tensors]
        rays = (arrays[0], arrays[1], jitter, arrays[2], times)
        arguments = (rays, geometry, settings, tuple(arrays[3:]))
        stash = kernels.training
        with exclusive():
            out, rows, info["marched"] = kernels.run_forward(stash, True, *arguments)
            stash.ticket += 1
            ticket = stash.ticket
        ctx.save_for_backward(*tensors)
        ctx.run = (kernels, arguments, out, rows, ticket)
        info["median"] = torch.from_numpy(out[:, render.MEDIAN])
        return torch.from_numpy(out[:, : render.N_OUT])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        kernels, arguments, out, rows, ticket = ctx.run
        ctx.saved_tensors  # noqa: B018  (raises when a parameter was changed in place meanwhile)
        stash = kernels.training
        needed = list(ctx.needs_input_grad)
        direct = direct_gradient(ctx.saved_tensors[3], needed[3])
        d_params = np.zeros_like(arguments[3][0]) if direct is None else direct
        with exclusive():
            if stash.ticket != ticket:  # another batch was rendered in between: make the rows again
                out, rows, _ = kernels.run_forward(stash, True, *arguments)
            stash.ticket += 1  # the backward pass overwrites the stash
            gradients = kernels.run_backward(
                stash, *arguments, out, rows, d_out.contiguous().numpy(),
                needed[0] or needed[1] or needed[4], needed[2], d_params,
            )  # fmt: skip
        needed[3] = needed[3] and direct is None
        tensors = [
            torch.from_numpy(gradient) if needed[i] else None
            for i, gradient in enumerate(gradients)
        ]
        return (*tensors, None, None, None, None, None, None)
