"""What counts as finite: the compiled rasteriser and the plain one draw the same lines."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.kernels.rasterize.rasterize import rasterize
from polyfield.kernels.rasterize.records import PinholeView, Rasterized
from polyfield.kernels.rasterize.reference import rasterize_reference
from polyfield.kernels.rasterize.surfels_reference import rasterize_surfels_reference

REFERENCES: dict[str, Any] = {
    "gaussians": rasterize_reference,
    "surfels": rasterize_surfels_reference,
}
NAMES = ("means", "quats", "log_scales", "opacity_logits", "sh_dc", "sh_rest")
INF = math.inf

LEFT_OUT = [
    *(("means", value) for value in (INF, -INF, math.nan, 1e16, 1e31)),
    *(("quats", value) for value in (INF, math.nan, 0.0, 1e-20, 1e-13, 1e16, 1e18, 1e36)),
    *(("log_scales", value) for value in (INF, -INF, math.nan, 1e31, -1e31, 100.0)),
    *(("opacity_logits", value) for value in (INF, -INF, math.nan, -1e31, -100.0)),
    *(("sh_dc", value) for value in (INF, -INF, math.nan, 1e31, -1e31)),
    *(("sh_rest", value) for value in (INF, -INF, math.nan, 1e31, -1e31)),
]
DRAWN = [
    ("means", 1e10),
    *(("quats", value) for value in (1e-11, 1e-6, 1e6, 1e14, -1e14)),
    *(("log_scales", value) for value in (-100.0, -1e20)),
    *(("opacity_logits", value) for value in (100.0, 1e31)),
    *(("sh_dc", value) for value in (100.0, -100.0)),
]


def two(name: str, value: float, dtype: torch.dtype) -> dict[str, Tensor]:
    """One before the other, of which the first is as it is said."""
    means = torch.tensor([[0.0, 0.0, 4.0], [0.3, 0.2, 5.0]])
    quats = torch.tensor([[1.0, 0.2, 0.1, 0.3], [0.5, 0.5, 0.1, 0.2]])
    scales = torch.tensor([[-1.0, -0.5, -1.2], [-0.7, -1.0, -1.0]])
    colors = torch.tensor([[0.5, 1.0, 0.0], [0.2, 0.3, 0.4]])
    tensors = [means, quats, scales, torch.tensor([1.0, 0.5]), colors, torch.full((2, 3, 3), 0.1)]
    scene = {each: tensor.to(dtype) for each, tensor in zip(NAMES, tensors, strict=True)}
    of = scene[name]
    if name == "quats":
        of[0] *= value / float(of[0].norm())
    elif name == "means":
        of[0, 2] = value
    else:
        of[0] = value
    return scene


def pictures(scene: dict[str, Tensor], primitive: str) -> tuple[Rasterized, Rasterized]:
    """The compiled one and the plain one."""
    pose = torch.eye(3, 4, dtype=scene["means"].dtype)
    view = PinholeView(pose, (30.0, 30.0, 16.0, 16.0), 32, 32)
    return rasterize(**scene, view=view, primitive=primitive), REFERENCES[primitive](
        **scene, view=view
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])
@pytest.mark.parametrize("primitive", ["gaussians", "surfels"])
@pytest.mark.parametrize(("name", "value"), LEFT_OUT)
def test_left_out_by_both(name: str, value: float, primitive: str, dtype: torch.dtype) -> None:
    scene = two(name, value, dtype)
    alone, _ = pictures({each: tensor[1:] for each, tensor in scene.items()}, primitive)
    for picture in pictures(scene, primitive):
        assert picture.visible is not None
        assert picture.visible.tolist() == [False, True]
        torch.testing.assert_close(picture.rgb, alone.rgb, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])
@pytest.mark.parametrize("primitive", ["gaussians", "surfels"])
@pytest.mark.parametrize(("name", "value"), DRAWN)
def test_drawn_by_both(name: str, value: float, primitive: str, dtype: torch.dtype) -> None:
    compiled, plain = pictures(two(name, value, dtype), primitive)
    for picture in (compiled, plain):
        assert picture.visible is not None
        assert picture.visible.tolist() == [True, True]
    torch.testing.assert_close(compiled.rgb, plain.rgb, rtol=1e-4, atol=1e-4)
