"""3DGS as Markov chain Monte Carlo: Gaussians are samples, training is a walk with noise.

Kheradmand et al. 2024. Nothing is cloned, split or reset: dead Gaussians are moved to where live
ones are, their number grows by a share each time, and noise moves what is nearly transparent.
Letters: n Gaussians, f of them shared between r, o opacity, s scale.

When a Gaussian is replaced by r at its place, its picture stays what it was: at its centre if
1 - (1 - o')^r = o, and in its integral along any axis if s' = s o / D,

    D = sum_{i=1..r} sum_{k=0..i-1} C(i-1, k) (-1)^k o'^(k+1) / sqrt(k+1)
      = sum_{k=1..r} C(r, k) (-1)^(k-1) o'^k / sqrt(k)

the second because C(k, k) + ... + C(r-1, k) = C(r, k+1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import comb
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields.backbone import Replacement
from polyfield.kernels.langevin import langevin_noise
from polyfield.training.densification.strategy import Refined, Strategy, check_left
from polyfield.training.densification.surgery import Parameters, rearrange
from polyfield.training.densification.window import Window

NAME = "densify"
MOST_SHARES = 51  # r at most: of a target that is drawn more often
NEARLY_ONE = 1 - 1e-7  # opacity at most, so that its logit is finite in float32


class MCMC(Strategy):
    """Moves the dead, grows and adds noise.

    Args:
        start, stop: when to begin and to end: shares of the training up to 1, steps above.
        every: steps between refinements, fewer where the training is too short for `rounds`.
        rounds: how many refinements there are at least.
        growth: share by which the number grows each time.
        most: Gaussians at most.
        dead_opacity: what is as faint or fainter is dead.
        noise: factor of the noise, 5e5; 0 for none.
        opacity, scale: weights of the mean opacity and of the mean scale (world units) in the loss.
    """

    seed_opacity = 0.5
    seed_scale = 0.1

    def __init__(
        self,
        start: float = 1 / 60,
        stop: float = 5 / 6,
        every: int = 100,
        rounds: int = 50,
        growth: float = 0.05,
        most: int = 1_000_000,
        dead_opacity: float = 0.005,
        noise: float = 5e5,
        opacity: float = 0.01,
        scale: float = 0.01,
    ) -> None:
        super().__init__()
        self.window = Window(start, stop, every, rounds, NAME)
        for name, value in {
            "growth": growth,
            "noise": noise,
            "opacity": opacity,
            "scale": scale,
        }.items():
            if not 0 <= value < float("inf"):
                raise InputError(field=f"{NAME}.{name}", found=value, expected="0 or more")
        if not 0 < dead_opacity < 1:
            expected = "above 0, below 1"
            raise InputError(field=f"{NAME}.dead_opacity", found=dead_opacity, expected=expected)
        if most < 1:
            raise InputError(field=f"{NAME}.most", found=most, expected="1 or more")
        self.growth, self.most, self.dead_opacity = growth, most, dead_opacity
        self.noise, self.weights = noise, {"opacity": opacity, "scale": scale}
        self.last = 0

    def state(self) -> dict[str, Any]:
        """The count, and when something was done last."""
        return {**super().state(), "last": self.last}

    def load_state(self, state: dict[str, Any]) -> None:
        """Undo `state`."""
        super().load_state(state)
        self.last = int(state["last"])

    def due(self, step: int, progress: float) -> bool:
        """Whether a refinement's turn has come."""
        return self.window.due(step, progress, self.last)

    def penalties(self, parameters: Parameters) -> dict[str, Tensor]:
        """Fewer opaque and fewer large Gaussians: what the pictures do not need dies."""
        terms = {
            "opacity": lambda: torch.sigmoid(parameters["opacity_logits"]).mean(),
            "scale": lambda: parameters["log_scales"].exp().mean(),
        }
        return {name: w * terms[name]() for name, w in self.weights.items() if w}

    @torch.no_grad()
    def refine(
        self, parameters: Parameters, step: int, progress: float, generator: torch.Generator
    ) -> Refined:
        """Move the dead to the living, then grow."""
        moved, replaced, n_moved = self._relocate(parameters, generator)
        grown, replaced_again, n_added = self._grow(moved, generator)
        self.last = step
        self.resize(len(grown["means"]))
        counts = {"moved": n_moved, "added": n_added}
        return Refined(grown, [*replaced, *replaced_again], counts)

    @torch.no_grad()
    def after_step(
        self, parameters: Parameters, lr_means: float, generator: torch.Generator
    ) -> None:
        """Move what is nearly transparent by noise along its own covariance."""
        if self.noise and lr_means:
            langevin_noise(
                parameters["means"],
                parameters["quats"],
                parameters["log_scales"],
                parameters["opacity_logits"],
                self.noise * lr_means,
                generator,
            )

    def _relocate(
        self, parameters: Parameters, generator: torch.Generator
    ) -> tuple[dict[str, Any], list[Replacement], int]:
        opacity = torch.sigmoid(parameters["opacity_logits"])
        dead = ~(opacity > self.dead_opacity)  # what is NaN, too
        slots, alive = dead.nonzero()[:, 0], (~dead).nonzero()[:, 0]
        check_left(len(alive), f"{NAME}.dead_opacity")
        if len(slots) == 0:
            return dict(parameters), [], 0
        targets = alive[drawn_by_weight(opacity[alive], len(slots), generator)]
        source = torch.arange(len(opacity), device=opacity.device)
        source[slots] = targets
        made, replaced = self._shared(parameters, source, slots, targets, anew=True)
        return made, replaced, len(slots)

    def _grow(
        self, parameters: Parameters, generator: torch.Generator
    ) -> tuple[dict[str, Any], list[Replacement], int]:
        n = len(parameters["means"])
        # A handful would never become more by a whole number of twentieths.
        wanted = max(int((1 + self.growth) * n), n + 1) if self.growth else n
        added = min(self.most, wanted) - n
        if added <= 0:
            return dict(parameters), [], 0
        opacity = torch.sigmoid(parameters["opacity_logits"])
        targets = drawn_by_weight(opacity, added, generator)
        every = torch.arange(n + added, device=opacity.device)
        source = torch.cat([every[:n], targets])
        made, replaced = self._shared(parameters, source, every[n:], targets, anew=False)
        return made, replaced, added

    def _shared(
        self,
        parameters: Parameters,
        source: Int[Tensor, " m"],
        slots: Int[Tensor, " c"],
        targets: Int[Tensor, " c"],
        anew: bool,
    ) -> tuple[dict[str, Any], list[Replacement]]:
        """Targets and their copies, each with its share of what the target was.

        Args:
            source: the index map, in which slots are copies of targets.
            anew: whether the optimiser forgets the targets too.
        """
        unique, place, copies = targets.unique(return_inverse=True, return_counts=True)
        opacity, factor = shares(torch.sigmoid(parameters["opacity_logits"][unique]), copies + 1)
        opacity = opacity.clamp(self.dead_opacity, NEARLY_ONE)
        which = torch.cat([torch.arange(len(unique), device=place.device), place])
        rows = torch.cat([unique, slots])
        forget = torch.zeros(len(source), dtype=torch.bool, device=source.device)
        forget[rows if anew else slots] = True
        log_scales = parameters["log_scales"][unique] + factor.log()[:, None]
        return rearrange(
            parameters,
            source,
            forget=forget,
            rows=rows,
            values={
                "opacity_logits": torch.logit(opacity)[which],
                "log_scales": log_scales[which],
            },
        )


def drawn_by_weight(
    weights: Float[Tensor, " n"], count: int, generator: torch.Generator
) -> Int[Tensor, " c"]:
    """Numbers drawn with replacement, as often as their weights say; of any number of weights."""
    upto = weights.double().nan_to_num().cumsum(0)
    at = torch.rand(count, generator=generator, dtype=torch.float64).to(upto.device) * upto[-1]
    return torch.searchsorted(upto, at, right=True).clamp(max=len(weights) - 1)


def shares(
    opacity: Float[Tensor, " f"], shared: Int[Tensor, " f"]
) -> tuple[Float[Tensor, " f"], Float[Tensor, " f"]]:
    """What Gaussians become that are replaced by several at the same place.

    Args:
        opacity: o, in (0, 1].
        shared: r, by how many; counts as 51 where it is more.

    Returns:
        o' and s' / s, float64.
    """
    r = shared.clamp(max=MOST_SHARES)
    # The terms alternate and are much larger than their sum: float32 would be noise.
    o = opacity.double()
    each = -torch.expm1(torch.log1p(-o.clamp(max=NEARLY_ONE)) / r)
    table = torch.from_numpy(_binomials()).to(o.device)
    D, power = torch.zeros_like(o), torch.ones_like(o)
    for k in range(1, int(r.max()) + 1 if len(r) else 1):
        power = power * -each
        D -= table[r, k] * power / k**0.5
    return each, o / D


def _binomials() -> Float[np.ndarray, "r k"]:
    """C(r, k), exact enough: the largest is 2.5e14."""
    r = np.arange(MOST_SHARES + 1)
    return np.asarray(comb(r[:, None], r[None, :]), np.float64)
