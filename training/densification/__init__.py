"""How Gaussians multiply, move and vanish while they learn.

A `Strategy` says when and where; `Classic` is 3DGS's, `MCMC` that of 3DGS-MCMC, and `Strategy`
itself leaves their number alone. What they change goes through one function, `surgery.rearrange`.
"""

from polyfield.training.densification.classic import Classic
from polyfield.training.densification.mcmc import MCMC
from polyfield.training.densification.strategy import Refined, Strategy
from polyfield.training.densification.surgery import NAMES, Parameters, rearrange, resized
from polyfield.training.densification.window import Window

__all__ = [
    "MCMC",
    "NAMES",
    "Classic",
    "Parameters",
    "Refined",
    "Strategy",
    "Window",
    "rearrange",
    "resized",
]
