"""The surfels' reference against gsplat's plain torch (Ye et al. 2024): values and gradients.

Of gsplat only what runs on a CPU is called: its matrices of disks, and what it makes of pairs of a
pixel and a surfel. Two things differ and are held alike here: it centres the low-pass on the box
around a disk, the paper and we on the projected centre; and it knows no plane `near`.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.kernels.rasterize.gsplat_found import package_obstacle
from polyfield.kernels.rasterize.projection_reference import Gaussians
from polyfield.kernels.rasterize.records import LEAST_ALPHA, PinholeView
from polyfield.kernels.rasterize.surfels_reference import disks_of, rasterize_surfels_reference

if package_obstacle() is not None:
    pytest.skip("pip install --no-deps 'gsplat==1.5.*'", allow_module_level=True)
from gsplat.cuda import _torch_impl_2dgs as theirs

pytestmark = pytest.mark.usefixtures("nerfacc")

WIDTH, HEIGHT = 61, 37


def scene() -> tuple[list[Tensor], PinholeView]:
    """Surfels before a turned camera, none of which reaches its plane, and the camera."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    n = 150
    parameters = [normal(n, 3), normal(n, 4), 0.4 * normal(n, 3) - 2, normal(n) - 1]
    parameters += [normal(n, 3), normal(n, 0, 3)]
    turn = torch.linalg.qr(normal(3, 3))[0]
    turn = turn * torch.det(turn)
    shift = torch.tensor([[0.2], [-0.1], [5.0]], dtype=torch.float64)
    intrinsics = (0.8 * WIDTH, 0.9 * WIDTH, 0.55 * WIDTH, 0.4 * HEIGHT)
    view = PinholeView(torch.cat([turn, shift], dim=1), intrinsics, WIDTH, HEIGHT)
    return [p.requires_grad_() for p in parameters], view


def test_pictures_normals_and_gradients_agree() -> None:
    parameters, view = scene()
    means, quats, log_scales, opacity_logits, sh_dc, _ = parameters
    ours = rasterize_surfels_reference(*parameters, view, wants=("normals",))
    fx, fy, cx, cy = view.intrinsics
    k = means.new_tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    last = means.new_tensor([[0, 0, 0, 1]])
    pose = torch.cat([view.camera_from_world, last])
    _, _, z, matrices, normals = theirs._fully_fused_projection_2dgs(
        means, quats, log_scales.exp(), pose[None], k[None], WIDTH, HEIGHT
    )
    opacities = torch.sigmoid(opacity_logits)
    colors = (0.28209479177387814 * sh_dc + 0.5).clamp(min=0)
    disks = disks_of(Gaussians(*parameters), view, 0, 0.01)
    pixels, surfels = pairs(disks, z[0])
    rgb, opacity, turned = theirs.accumulate_2dgs(
        disks.centers[None], matrices, opacities[None], colors[None], normals,
        surfels, pixels, torch.zeros_like(pixels), WIDTH, HEIGHT,
    )  # fmt: skip
    assert ours.normals is not None
    # Their normals are the camera's and have a scale: the third, which is ignored here.
    found = torch.einsum("ij,jhw->ihw", view.camera_from_world[:, :3], ours.normals)
    scale = log_scales[:, 2:].exp()
    again = theirs.accumulate_2dgs(
        disks.centers[None], matrices, opacities[None], colors[None], normals / scale,
        surfels, pixels, torch.zeros_like(pixels), WIDTH, HEIGHT,
    )[2]  # fmt: skip
    assert turned.shape == again.shape
    mine = [ours.rgb, ours.opacity[None], found]
    right = [picture[0].permute(2, 0, 1) for picture in (rgb, opacity, again)]
    assert 0.8 < float(ours.opacity.detach().max()) < 1 - 1e-4
    generator = torch.Generator().manual_seed(0)
    totals = [torch.zeros(()), torch.zeros(())]
    for a, b in zip(mine, right, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
        weights = torch.randn(b.shape, generator=generator, dtype=torch.float64)
        totals = [totals[0] + (a * weights).sum(), totals[1] + (b * weights).sum()]
    leaves = [means, quats, log_scales, opacity_logits, sh_dc]
    mine, right = (torch.autograd.grad(total, leaves, retain_graph=True) for total in totals)
    for a, b in zip(mine, right, strict=True):
        assert b.any()
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9 * float(b.abs().max()))


@torch.no_grad()
def pairs(disks: Any, z: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of a pixel and a surfel seen in it, by pixel, then from front to back."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    at = torch.stack([x.flatten(), y.flatten()], dim=1)[:, None] + 0.5
    order = torch.argsort(z, stable=True)
    alpha, _ = disks.seen(order, at - disks.centers[order])
    pixels, places = torch.nonzero(alpha >= LEAST_ALPHA, as_tuple=True)
    return pixels, order[places]
