"""Gaussians as surfels: the shortest axis becomes the normal."""

from __future__ import annotations

import torch

from polyfield.cameras.poses import rotation_from_quaternion
from polyfield.fields.gaussians import FLAT
from polyfield.training.seeds import as_disks


def test_the_shortest_axis_becomes_the_third() -> None:
    generator = torch.Generator().manual_seed(0)
    quats = torch.randn(30, 4, generator=generator)
    log_scales = torch.randn(30, 3, generator=generator)
    disks = as_disks({"quats": quats, "log_scales": log_scales, "rest": quats}, generator)
    before, after = rotation_from_quaternion(quats), rotation_from_quaternion(disks["quats"])
    assert torch.allclose(torch.linalg.det(after), torch.ones(30), atol=1e-5)
    shortest = log_scales.argmin(dim=1)
    assert len(set(shortest.tolist())) == 3
    for i in range(30):
        normal, other = before[i, :, shortest[i]], after[i, :, 2]
        assert torch.allclose(normal, other, atol=1e-5)
        wide = log_scales[i].exp().square().clone()
        wide[shortest[i]] = 0.0
        tight = disks["log_scales"][i].exp().square().clone()
        tight[2] = 0.0
        expected = before[i] @ torch.diag(wide) @ before[i].T
        assert torch.allclose(after[i] @ torch.diag(tight) @ after[i].T, expected, atol=1e-4)
    thin = disks["log_scales"].exp()
    assert torch.allclose(thin[:, 2], FLAT * thin[:, :2].amin(dim=1))
    assert torch.equal(disks["rest"], quats)


def test_balls_look_anywhere() -> None:
    generator = torch.Generator().manual_seed(0)
    quats = torch.tensor([[1.0, 0, 0, 0]]).repeat(500, 1)
    disks = as_disks({"quats": quats, "log_scales": torch.full((500, 3), -2.0)}, generator)
    normals = rotation_from_quaternion(disks["quats"])[:, :, 2]
    assert normals.mean(dim=0).norm() < 0.1
    assert normals.abs().mean(dim=0).std() < 0.05
    assert bool((disks["log_scales"][:, :2] == -2).all())
