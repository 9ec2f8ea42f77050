"""Rotation and scales as a symmetric matrix: the same Gaussian comes back, with its gradient."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyfield.cameras.poses import rotation_from_quaternion
from polyfield.compression.attributes import FLATTEST, gaussians_of, normalisation_of, table_of
from polyfield.compression.shapes import pack_shapes, unpack_shapes
from polyfield.splats.splats import Splats

F64 = torch.float64


def covariance(quats: Tensor, log_scales: Tensor) -> Tensor:
    """R diag(scales^2) R^T: all that is drawn of a shape."""
    turn = rotation_from_quaternion(quats)
    return turn @ torch.diag_embed((2 * log_scales).exp()) @ turn.mT


def some(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    quats = torch.randn(n, 4, generator=generator, dtype=F64)
    return quats, torch.randn(n, 3, generator=generator, dtype=F64)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_the_same_shape_comes_back(seed: int) -> None:
    quats, scales = some(20, seed)
    again = unpack_shapes(pack_shapes(quats, scales))
    torch.testing.assert_close(covariance(*again), covariance(quats, scales))
    torch.testing.assert_close(again[0].norm(dim=1), torch.ones(20, dtype=F64))


def test_a_shape_has_one_matrix() -> None:
    """However its quaternion is written, and however its axes are numbered."""
    quats, scales = some(5)
    half = 2**-0.5
    quarter = torch.tensor([half, 0, 0, half], dtype=F64)  # about z: x and y change places
    w, x, y, z = quats.unbind(dim=1)
    turned = torch.stack([w - z, x + y, y - x, z + w], dim=1) * half
    assert quarter.norm() == 1
    packed = pack_shapes(quats, scales)
    torch.testing.assert_close(pack_shapes(-3 * quats, scales), packed)
    torch.testing.assert_close(pack_shapes(turned, scales[:, [1, 0, 2]]), packed)


def test_the_gradient_of_what_is_drawn() -> None:
    packed = pack_shapes(*some(4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: covariance(*unpack_shapes(p)), packed, atol=1e-4)


def test_equal_scales_have_a_finite_gradient() -> None:
    """A ball and a disk: what turns nothing that is drawn has no say."""
    quats, _ = some(2)
    scales = torch.tensor([[-1.0, -1, -1], [-1, -1, -4]], dtype=F64)
    packed = pack_shapes(quats, scales).requires_grad_()
    covariance(*unpack_shapes(packed)).square().sum().backward()
    assert packed.grad is not None
    assert packed.grad.isfinite().all()
    # All scales of the ball times e^h: sum of squares times e^4h.
    grown = packed.grad[0] @ torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=F64)
    torch.testing.assert_close(grown, 4 * 3 * torch.tensor(-4.0, dtype=F64).exp())


def test_tables_hold_all_but_extremes() -> None:
    quats, scales = (t.float().numpy() for t in some(9))
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(*shape, generator=generator).numpy()  # noqa: E731
    splats = Splats(draw(9, 3), quats, scales, draw(9), draw(9, 3), draw(9, 8, 3))
    back = gaussians_of(table_of(splats))
    for name in ("opacity_logits", "sh_dc", "sh_rest"):
        torch.testing.assert_close(back[name], torch.from_numpy(getattr(splats, name)))
    expected = covariance(torch.from_numpy(quats), torch.from_numpy(scales))
    torch.testing.assert_close(
        covariance(back["quats"], back["log_scales"]), expected, rtol=1e-3, atol=1e-4
    )
    flat = scales.copy()
    flat[:, 0] = -60
    thin = Splats(splats.means, quats, flat, 1e9 + draw(9), draw(9, 3), draw(9, 0, 3))
    back = gaussians_of(table_of(thin))
    spans = back["log_scales"].max(dim=1).values - back["log_scales"].min(dim=1).values
    torch.testing.assert_close(spans, torch.full((9,), FLATTEST))
    assert (back["opacity_logits"] == 7).all()


def test_groups_count_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(400, 55, generator=generator) * torch.logspace(-3, 2, 55) + 5
    normal = normalisation_of(table).apply(table)
    groups = normal.split([1, 6, 3, 45], dim=1)
    for group in groups:
        torch.testing.assert_close(group.square().sum(dim=1).mean(), torch.tensor(1.0))
    assert normal.mean(dim=0).abs().max() < 1e-3
    assert normalisation_of(torch.ones(3, 10)).apply(torch.ones(3, 10)).abs().max() == 0
