"""Gaussians that learn on from photos after others went: what is left takes over.

Letters: n Gaussians.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from polyfield.compression.photos import Photos, photo_loss, shuffled
from polyfield.errors import InputError
from polyfield.fields.gaussians import tensors_of
from polyfield.splats.splats import Splats
from polyfield.training.optimizers import Adam

RATES = {
    "quats": 1e-3,
    "log_scales": 5e-3,
    "opacity_logits": 2e-2,
    "sh_dc": 2.5e-3,
    "sh_rest": 5e-4,
}  # of 3DGS, but for opacities, which are nearly right, and harmonics, which have little time
MEANS_RATE = 1e-4  # times the median distance from the middle
FINAL = 0.1  # share of the rates at the end


def recovered(
    splats: Splats,
    photos: Photos,
    steps: int,
    generator: torch.Generator,
    on_step: Callable[[int, float], None] | None = None,
) -> Splats:
    """The Gaussians after some steps of Adam, a photo each; all parameters, centres too.

    Args:
        on_step: is told of each step and its loss.

    Raises:
        InputError: for a number of steps below 0.
    """
    if steps < 0:
        raise InputError(field="recover_steps", found=steps, expected="0 or more")
    if steps == 0:
        return splats
    tensors: dict[str, Any] = {
        name: tensor.clone().requires_grad_() for name, tensor in tensors_of(splats).items()
    }
    arm = np.abs(splats.means - np.median(splats.means, axis=0)).max(axis=1)
    rates = {"means": MEANS_RATE * float(np.median(arm)), **RATES}
    groups = [
        {"params": [tensors[name]], "lr": rate}
        for name, rate in rates.items()
        if tensors[name].numel()
    ]
    adam = Adam(groups, betas=(0.9, 0.99))
    first = [group["lr"] for group in adam.param_groups]
    for step, photo in enumerate(shuffled(photos, steps, generator)):
        loss = photo_loss(tensors, photo, splats.antialiased)[0]
        loss.backward()
        for group, lr in zip(adam.param_groups, first):
            group["lr"] = lr * FINAL ** (step / steps)
        adam.step()
        if on_step is not None:
            on_step(step, float(loss.detach()))
    arrays = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    return Splats(**arrays, antialiased=splats.antialiased)
