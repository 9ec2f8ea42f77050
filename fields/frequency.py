"""The frequency encoding in front of a NeRF's network (Mildenhall et al. 2020).

The network itself is the decoder's trunk, so that it too runs in the fused step: the paper's is
`RadianceDecoder(trunk=[256] * 8, skip=6, geometry=256, color="mlp", hidden=[128])`.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields.backbone import Backbone
from polyfield.kernels.encode import EncoderKernels
from polyfield.kernels.frequency import FREQUENCY_BLOCKS, frequency_reference


class FrequencyEncoding(Backbone):
    """Sines and cosines of a point at doubling frequencies, and the point.

    Args:
        frequencies: how many; the lowest has a period of the whole cube.
        in_dim: coordinates, 1 to 4.
    """

    no_params: Tensor

    def __init__(self, frequencies: int = 10, in_dim: int = 3) -> None:
        super().__init__(in_dim=in_dim, out_dim=in_dim * (1 + 2 * frequencies))
        if not 0 <= frequencies <= 20:
            raise InputError(field="field.frequencies", found=frequencies, expected="0 to 20")
        self.frequencies = frequencies
        self.register_buffer("no_params", torch.empty(0), persistent=False)
        self.kernels = EncoderKernels(
            FREQUENCY_BLOCKS, np.array([frequencies]), np.zeros(0), 1, self.out_dim, in_dim
        )

    @property
    def params(self) -> Tensor:
        return self.no_params

    def reference(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        return frequency_reference(x, self.frequencies)
