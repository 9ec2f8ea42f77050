"""An exponential moving average of a module's parameters: often the better model to look at.

    a <- d a + (1 - d) p,   d = min(decay, (1 + n) / (10 + n)) at the n-th update

The ramp keeps the first, random values from lingering. A module whose parameters are not numbers
to be averaged one by one, such as rotations, averages itself (`OwnAverage`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.backbone import Replacement


@runtime_checkable
class OwnAverage(Protocol):
    """A module that knows what its mean is."""

    def averaged(self) -> dict[str, Tensor]:
        """By name, the parameters and buffers that the mean replaces: all parameters it has."""
        ...

    def average_into(self, mean: Mapping[str, Tensor], share: float) -> None:
        """Move the mean of `averaged`, in place, by a share towards what they are now."""
        ...


def averaged_tensors(module: nn.Module) -> dict[str, Tensor]:
    """What is averaged of a module, by name: its parameters, and buffers that belong to a mean."""
    found: dict[str, Tensor] = dict(module.named_parameters())
    for prefix, own in _own(module):
        found.update({prefix + name: tensor for name, tensor in own.averaged().items()})
    return found


def _own(module: nn.Module) -> list[tuple[str, OwnAverage]]:
    """The modules that average themselves, and what their names begin with."""
    parts = module.named_modules()
    return [(f"{name}." if name else "", m) for name, m in parts if isinstance(m, OwnAverage)]


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
    def follow(self, replaced: Sequence[Replacement] = ()) -> None:
        """Start anew for what was replaced, and what has changed its shape.

        Args:
            replaced: may be of the same shape and mean something else, as after a crop. How it
                came about is not known: `Replacement.carry` is for what the optimiser remembers.
        """
        before, self.values = self.values, {}
        new = {id(replacement.new) for replacement in replaced}
        for name, tensor in averaged_tensors(self.module).items():
            known = before.get(name)
            if known is None or known.shape != tensor.shape or id(tensor) in new:
                known = tensor.detach().clone()
            self.values[name] = known

    @torch.no_grad()
    def update(self) -> None:
        """Take the parameters of one more step in."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        tensors = averaged_tensors(self.module)
        for prefix, own in _own(self.module):
            names = own.averaged()
            own.average_into({name: self.values[prefix + name] for name in names}, 1 - decay)
            for name in names:
                del tensors[prefix + name]
        averages = [self.values[name] for name in tensors]
        torch._foreach_lerp_(averages, list(tensors.values()), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the module has the averaged values."""
        tensors = averaged_tensors(self.module)
        training = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        with torch.no_grad():
            for name, tensor in tensors.items():
                tensor.copy_(self.values[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in tensors.items():
                    tensor.copy_(training[name])
