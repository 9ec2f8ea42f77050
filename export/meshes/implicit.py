"""A surface as the place where a function is zero, and where it may be.

Letters: n points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

Value = Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]
Near = Callable[[Float[Tensor, "n 3"], Float[Tensor, "3"]], Bool[Tensor, " n"]]


@dataclass(frozen=True)
class Implicit:
    """A function of points of the world.

    Attributes:
        value: above 0 inside, 0 at the surface, below outside; without gradient.
        box: [lower, upper] corner of the region that is looked at, world units.
        near: middles of boxes and half of their edges -> whether the surface may be in them.
            Where it goes on from one of them is found either way, a part that is nowhere near is
            not.
        closed: whether all that lies beyond the box is outside; else the surface ends there.
        bend: whether values differ so much from a straight line along an edge that crossings are
            looked for.
    """

    value: Value
    box: Float[np.ndarray, "2 3"]
    near: Near
    closed: bool = True
    bend: bool = True
