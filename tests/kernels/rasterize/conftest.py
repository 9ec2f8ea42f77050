"""gsplat's `rasterization` on a CPU, of its plain torch, and what that takes of nerfacc."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.kernels.rasterize.gsplat_found import INSTALL, package_obstacle


def render_weight_from_alpha(alphas: Tensor, ray_indices: Tensor, n_rays: int) -> Any:
    """Weight = alpha x transmittance before it, in rays that follow each other."""
    through = torch.log1p(-alphas)
    before = torch.cumsum(through, dim=0) - through
    transmittance = torch.exp(before - before[torch.searchsorted(ray_indices, ray_indices)])
    return alphas * transmittance, transmittance


def accumulate_along_rays(
    weights: Tensor, values: Tensor | None, ray_indices: Tensor, n_rays: int
) -> Tensor:
    """Sums of weighted values over rays."""
    each = weights[:, None] if values is None else weights[:, None] * values
    return each.new_zeros(n_rays, each.shape[1]).index_add(0, ray_indices, each)


@pytest.fixture
def nerfacc(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gsplat takes of nerfacc, whose own needs CUDA."""
    module = ModuleType("nerfacc")
    module.__dict__["render_weight_from_alpha"] = render_weight_from_alpha
    module.__dict__["accumulate_along_rays"] = accumulate_along_rays
    monkeypatch.setitem(sys.modules, "nerfacc", module)


@pytest.fixture
def gsplat_on_cpu(nerfacc: None, monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """gsplat's public functions without its CUDA kernels; the arguments of each picture."""
    if package_obstacle() is not None:
        pytest.skip(INSTALL.replace("install", "install --no-deps"))
    gsplat = pytest.importorskip("gsplat")
    from gsplat.cuda import _torch_impl as theirs

    signature, calls = inspect.signature(gsplat.rasterization), []

    def rasterization(*args: Any, **named: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        bound = signature.bind(*args, **named)  # refuses what gsplat would
        bound.apply_defaults()
        calls.append(SimpleNamespace(**bound.arguments))
        return _rasterization(theirs, calls[-1])

    monkeypatch.setattr(gsplat, "rasterization", rasterization)
    monkeypatch.setattr(gsplat, "spherical_harmonics", theirs._spherical_harmonics)
    return calls


def _rasterization(theirs: Any, a: SimpleNamespace) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """As `gsplat.rasterization` of one camera, nothing packed, and channels for colours."""
    assert (a.sh_degree, a.packed, a.backgrounds, a.covars) == (None, False, None, None)
    assert a.camera_model == "pinhole"
    assert not a.radius_clip
    covariances, _ = theirs._quat_scale_to_covar_preci(a.quats, a.scales, compute_preci=False)
    radii, centers, z, conics, compensation = theirs._fully_fused_projection(
        a.means, covariances, a.viewmats, a.Ks, a.width, a.height, a.eps2d, a.near_plane,
        a.far_plane, calc_compensations=a.rasterize_mode == "antialiased",
    )  # fmt: skip
    opacities = a.opacities if compensation is None else a.opacities * compensation[0]
    channels = a.colors
    if a.render_mode == "RGB+D":
        channels = torch.cat([channels, z[0][:, None]], dim=1)
    pixels, which = _pairs(a, radii[0], centers[0].detach(), z[0].detach(), conics[0], opacities)
    each = centers[0][which]  # a row a pair: its gradient is that of one pixel
    if a.absgrad and each.requires_grad:
        each.register_hook(_magnitudes(centers, which))
    pairs = torch.arange(len(which))
    picture, opacity = theirs.accumulate(
        each[None], conics[:, which], opacities[None, which], channels[None, which],
        pairs, pixels, torch.zeros_like(pixels), a.width, a.height,
    )  # fmt: skip
    return picture, opacity, {"means2d": centers, "radii": radii}


def _magnitudes(centers: Tensor, which: Tensor) -> Callable[[Tensor], None]:
    def note(gradient: Tensor) -> None:
        sums = torch.zeros_like(centers[0]).index_add(0, which, gradient.abs())
        centers.absgrad = sums[None]  # type: ignore[attr-defined]

    return note


@torch.no_grad()
def _pairs(
    a: SimpleNamespace, radii: Tensor, centers: Tensor, z: Tensor, conics: Tensor, opacities: Tensor
) -> tuple[Tensor, Tensor]:
    """Pixels and what is drawn in them, front to back: neither below 1/255, nor what ends one."""
    order = torch.argsort(z, stable=True)
    order = order[(radii > 0).all(dim=1)[order]]
    y, x = torch.meshgrid(torch.arange(a.height), torch.arange(a.width), indexing="ij")
    dx, dy = (torch.stack([x, y], dim=-1).reshape(-1, 1, 2) + 0.5 - centers[order]).unbind(dim=2)
    first, mixed, last = conics[order].unbind(dim=1)
    power = 0.5 * (first * dx * dx + last * dy * dy) + mixed * dx * dy
    alpha = (opacities[order] * torch.exp(-power)).clamp(max=0.999)
    through = torch.where(alpha >= 1 / 255, 1 - alpha, 1.0)
    behind = torch.cumprod(through, dim=1)
    pixels, places = torch.nonzero((alpha >= 1 / 255) & (behind > 1e-4), as_tuple=True)
    return pixels, order[places]
