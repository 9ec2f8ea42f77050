"""Networks tuned until pictures of what they say come close to photos.

Letters: n Gaussians, m of a cluster, e numbers of an encoded place, a attributes, h, w pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.compression.attributes import gaussians_of
from polyfield.compression.fitting import FINAL
from polyfield.compression.networks import ClusterNetworks
from polyfield.compression.photos import Photos, photo_loss, shuffled
from polyfield.compression.residuals import corrected
from polyfield.errors import InputError
from polyfield.training.optimizers import Adam


def fine_tune(
    networks: ClusterNetworks,
    means: Float[Tensor, "n 3"],
    encoded: Sequence[Float[Tensor, "m e"]],
    photos: Photos,
    steps: int,
    generator: torch.Generator,
    *,
    size: Float[Tensor, " a"],
    mean: Float[Tensor, " a"],
    antialiased: bool = False,
    frequency: float = 0.0,
    residuals: Float[Tensor, "n b"] | None = None,
    residual_step: float = 0.0,
    lr: float | None = None,
    residual_lr: float = 3e-3,
    on_step: Callable[[int, float], None] | None = None,
) -> None:
    """Step through photos, all once in a random order, then again in another.

    Args:
        networks: of normalised attributes; changed.
        means: centres, which stay; encoded: the same as the networks see them, by cluster.
        steps: of Adam, a photo each.
        size, mean: what makes attributes of outputs.
        frequency: weight of `frequency_loss`.
        residuals: in steps of `residual_step`, changed and used as whole numbers; None for none.
        lr: of networks; None for 0.003, or 0.001 where residuals learn too.
        residual_lr: of residuals, as normalised attributes.
        on_step: is told of each step and its loss.

    Raises:
        InputError: for a number of steps or a weight below 0.
    """
    for name, value in (("finetune_steps", steps), ("frequency", frequency)):
        if not 0 <= value < float("inf"):
            raise InputError(field=name, found=value, expected="0 or more")
    lr = lr or (3e-3 if residuals is None else 1e-3)
    groups: list[dict[str, Any]] = [{"params": list(networks.parameters()), "lr": lr}]
    if residuals is not None:
        residuals.requires_grad_()
        groups.append({"params": [residuals], "lr": residual_lr / residual_step})
    adam = Adam(groups, betas=(0.9, 0.99), eps=1e-8)
    first = [group["lr"] for group in adam.param_groups]
    for step, photo in enumerate(shuffled(photos, steps, generator)):
        said = corrected(networks.each(encoded), residuals, residual_step)
        gaussians = {"means": means, **gaussians_of(said * size + mean)}
        loss, rgb = photo_loss(gaussians, photo, antialiased)
        if frequency:
            loss = loss + frequency * frequency_loss(rgb, photo.truth, photo.mask)
        loss.backward()
        for group, rate in zip(adam.param_groups, first):
            group["lr"] = rate * FINAL ** (step / steps)
        adam.step()
        if on_step is not None:
            on_step(step, float(loss.detach()))


def frequency_loss(
    rgb: Float[Tensor, "3 h w"], truth: Tensor, mask: Tensor | None = None
) -> Float[Tensor, ""]:
    """Mean difference of magnitudes of the spectra, weighed by frequency: 0 at none, 1 at most.

    Args:
        rgb: parts of white; truth: the same, or bytes.
        mask: 0 where a pixel says nothing: both pictures are black there.
    """
    truth = truth.to(rgb) / 255 if truth.dtype == torch.uint8 else truth
    if mask is not None:
        rgb, truth = rgb * (mask != 0), truth * (mask != 0)
    h, w = rgb.shape[1:]
    down, across = torch.fft.fftfreq(h).to(rgb), torch.fft.rfftfreq(w).to(rgb)
    weight = (2 * (down[:, None] ** 2 + across**2)).sqrt()
    found, wanted = (torch.fft.rfft2(picture, norm="ortho") for picture in (rgb, truth))
    # A little beside zero, where the magnitude has no slope.
    return (weight * ((found.abs().square() + 1e-8).sqrt() - wanted.abs()).abs()).mean()
