"""What is kept of Gaussians whose attributes networks know.

Letters: n Gaussians, c clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from polyfield.compression.attributes import gaussians_of
from polyfield.compression.networks import ClusterNetworks, encoded
from polyfield.compression.places import Places
from polyfield.compression.residuals import Residuals
from polyfield.splats.splats import Splats


@dataclass(frozen=True)
class NeuralSplats:
    """n Gaussians in c clusters.

    Attributes:
        places: where they are.
        networks: what they are, their parameters numbers that float16 holds.
        degree: of the spherical harmonics.
        antialiased: as `Splats` has it.
        residuals: what networks miss; None where they are taken at their word.
    """

    places: Places
    networks: ClusterNetworks
    degree: int
    antialiased: bool = False
    residuals: Residuals | None = None

    def __len__(self) -> int:
        return len(self.places)

    @torch.no_grad()
    def splats(self) -> Splats:
        """The Gaussians in full, cluster after cluster."""
        where = torch.from_numpy(self.places.fractions()).float()
        pieces = where.split(self.places.counts.tolist())
        table = self.networks.each(encoded(piece, self.networks.frequencies) for piece in pieces)
        table = table if self.residuals is None else self.residuals.added_to(table)
        parameters = {name: tensor.numpy() for name, tensor in gaussians_of(table).items()}
        return Splats(self.places.means(), **parameters, antialiased=self.antialiased)
