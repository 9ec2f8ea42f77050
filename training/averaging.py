"""An exponential moving average of a module's parameters: often the better model to look at.

    a <- d a + (1 - d) p,   d = min(decay, (1 + n) / (10 + n)) at the n-th update

The ramp keeps the first, random values from lingering.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from polyfield.errors import InputError


class Average:
    """The averaged twin of a module's parameters.

    Args:
        module: whose parameters are averaged; read again at every update, as they may be replaced.
        decay: d, in (0, 1).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        if not 0 < decay < 1:
            raise InputError(field="trainer.ema", found=decay, expected="between 0 and 1")
        self.module, self.decay, self.updates = module, decay, 0
        self.values: dict[str, Tensor] = {}
        self.follow()

    @torch.no_grad()
    def follow(self) -> None:
        """Start anew for parameters whose shapes have changed."""
        before, self.values = self.values, {}
        for name, parameter in self.module.named_parameters():
            known = before.get(name)
            if known is None or known.shape != parameter.shape:
                known = parameter.detach().clone()
            self.values[name] = known

    @torch.no_grad()
    def update(self) -> None:
        """Take the parameters of one more step in."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        parameters = dict(self.module.named_parameters())
        averages = [self.values[name] for name in parameters]
        torch._foreach_lerp_(averages, list(parameters.values()), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the module has the averaged values."""
        parameters = dict(self.module.named_parameters())
        training = {name: p.detach().clone() for name, p in parameters.items()}
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(self.values[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in parameters.items():
                    parameter.copy_(training[name])
