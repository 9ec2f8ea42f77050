"""Gaussians of which places are kept and all else is what small networks say of them.

After NeuralGS (Tang et al. 2025). The networks learn what the Gaussians were, then what photos
show; what they miss of a Gaussian lies beside them (`residuals`). Letters: n Gaussians, c clusters,
a attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.compression.attributes import count, normalisation_of, table_of
from polyfield.compression.clusters import cluster_count, k_means
from polyfield.compression.fine_tuning import fine_tune
from polyfield.compression.fitting import fit
from polyfield.compression.importance import blending_weights, importance, most_important
from polyfield.compression.networks import ClusterNetworks, encoded
from polyfield.compression.neural_record import NeuralSplats
from polyfield.compression.photos import Photos
from polyfield.compression.places import place
from polyfield.compression.recovery import recovered
from polyfield.compression.residuals import first_residuals, whole
from polyfield.errors import InputError
from polyfield.splats.cleaning import clean, selected
from polyfield.splats.splats import HARMONICS, Splats


@dataclass(frozen=True)
class Settings:
    """How to compress.

    Attributes:
        prune: share of the Gaussians that goes, those of least importance.
        recover_steps: of training on, centres too, before anything is learned by heart.
        clusters: see `clusters.cluster_count`.
        width, layers: of the networks.
        steps: of fitting; finetune_steps: through the rasteriser.
        residuals: step of the whole numbers beside the networks, in sizes of a group of
            attributes; 0 for none. residual_degree: harmonics up to it have some too.
        weighted: whether Gaussians that are seen more count more in fitting.
        frequency: weight of the frequency loss in fine-tuning.
        bits: of a coordinate of a place.
    """

    prune: float = 0.4
    recover_steps: int = 200
    clusters: int | str = "auto"
    width: int = 16
    layers: int = 3
    steps: int = 1000
    finetune_steps: int = 200
    residuals: float = 0.1
    residual_degree: int = 3
    weighted: bool = True
    frequency: float = 0.0
    bits: int = 16


Say = Callable[[str], None]


def compress(
    splats: Splats,
    photos: Photos,
    settings: Settings | None = None,
    generator: torch.Generator | None = None,
    say: Say = lambda line: None,
) -> NeuralSplats:
    """All of it: prune, cluster, fit, fine-tune, round.

    Args:
        splats: at least one; what `cleaning.clean` drops is left out.
        photos: of the same frame.
        generator: of everything random; None for one of seed 0.
        say: is told what is done, a line each.

    Raises:
        InputError: for a setting that is none.
    """
    settings = settings or Settings()
    generator = generator or torch.Generator().manual_seed(0)
    if settings.residual_degree not in range(len(HARMONICS)):
        found, expected = settings.residual_degree, f"0 to {len(HARMONICS) - 1}"
        raise InputError(field="residual_degree", found=found, expected=expected)
    splats = clean(splats, transparent=True).splats
    kept, weights = pruned(splats, photos, settings.prune)
    say(f"pruned    {len(splats):,} to {len(kept):,} Gaussians")
    told = _Losses("recovered", say)
    kept = recovered(kept, photos, settings.recover_steps, generator, told)
    told.end()
    table = table_of(kept)
    normal = normalisation_of(table)
    c = cluster_count(settings.clusters, len(kept))
    labels = k_means(normal.apply(table), c, generator)
    places, order = place(kept.means, labels.numpy(), settings.bits)
    rows = torch.from_numpy(order)
    counts, where = places.counts.tolist(), torch.from_numpy(places.fractions()).float()
    networks = ClusterNetworks(
        len(counts), count(kept.degree), settings.width, settings.layers, generator=generator
    )
    seen, wanted = encoded(where, networks.frequencies), normal.apply(table)[rows]
    error = fit(
        networks, seen, counts, wanted,
        weights[rows] if settings.weighted else None, settings.steps, generator,
    )  # fmt: skip
    say(f"fitted    {len(counts)} networks, squared error {error:.4f} of 4 groups of variance 1")
    columns = count(min(settings.residual_degree, kept.degree))
    step, missed = settings.residuals, None
    if step:
        with torch.no_grad():
            missed = first_residuals(networks.each(seen.split(counts)), wanted, step, columns)
    told = _Losses("tuned", say)
    fine_tune(
        networks, torch.from_numpy(places.means()), seen.split(counts), photos,
        settings.finetune_steps, generator, size=normal.size, mean=normal.mean,
        antialiased=kept.antialiased, frequency=settings.frequency,
        residuals=missed, residual_step=step, on_step=told,
    )  # fmt: skip
    told.end()
    networks.rescale_outputs(normal.size, normal.mean)
    networks.load_flat(networks.flat().half().float())
    beside = None if missed is None else whole(missed, step, normal.size)
    return NeuralSplats(places, networks, kept.degree, kept.antialiased, beside)


class _Losses:
    """Those of steps, and what is said of them at the end."""

    def __init__(self, name: str, say: Say) -> None:
        self.name, self.say = name, say
        self.losses: list[float] = []

    def __call__(self, step: int, loss: float) -> None:
        self.losses.append(loss)

    def end(self) -> None:
        """Say the means of the first and of the last tenth."""
        if self.losses:
            few = max(len(self.losses) // 10, 1)
            first, last = np.mean(self.losses[:few]), np.mean(self.losses[-few:])
            self.say(f"{self.name:9} loss {first:.5f} to {last:.5f}")


def pruned(splats: Splats, photos: Photos, prune: float) -> tuple[Splats, Float[Tensor, " n"]]:
    """What remains without the share that matters least, and the importance of each."""
    views = (photos.view(i) for i in range(len(photos)))
    weights = blending_weights(splats, views)
    matters = importance(weights, torch.from_numpy(splats.log_scales))
    kept = most_important(matters, prune)
    return selected(splats, kept.numpy()), matters[kept]
