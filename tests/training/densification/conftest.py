"""Gaussians to operate on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

Maker = Callable[..., dict[str, nn.Parameter]]


@pytest.fixture(scope="session")
def make() -> Maker:
    """Random Gaussians; what is given by name replaces a row, repeated n times, or all of them."""

    def parameters(n: int, k: int = 3, seed: int = 0, **given: object) -> dict[str, nn.Parameter]:
        generator = torch.Generator().manual_seed(seed)
        tensors = {
            "means": torch.randn(n, 3, generator=generator),
            "quats": torch.randn(n, 4, generator=generator),
            "log_scales": torch.randn(n, 3, generator=generator) - 3,
            "opacity_logits": torch.randn(n, generator=generator),
            "sh_dc": torch.randn(n, 3, generator=generator),
            "sh_rest": torch.randn(n, k, 3, generator=generator),
        }
        for name, value in given.items():
            tensors[name] = torch.as_tensor(value).float().expand(tensors[name].shape).clone()
        return {name: nn.Parameter(tensor) for name, tensor in tensors.items()}

    return parameters
