"""What to say of a level at which there is no surface, or one that is no use.

Letters: n samples.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from polyfield.errors import InputError
from polyfield.export.meshes.learned import Learned
from polyfield.export.meshes.mesh import Mesh

SAMPLES = 64  # an axis of the box
BINS = 256
BLOB = 0.9  # share of the box's volume from which on a mesh is a blob


def samples(learned: Learned) -> Float[np.ndarray, " n"]:
    """The number that levels are compared with, on a grid over the box."""
    assert learned.measure is not None, "the caller looks"
    low, high = learned.box
    axes = [
        torch.linspace(float(a), float(b), SAMPLES + 2)[1:-1].float() for a, b in zip(low, high)
    ]
    x = torch.cartesian_prod(*axes)
    return torch.cat([learned.measure(part) for part in x.split(1 << 16)]).numpy()


def advised(values: Float[np.ndarray, " n"]) -> float:
    """The level that tells the full from the empty best: Otsu's, of a density its logarithm's."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive) or positive.min() == positive.max():
        return 0.0
    logarithm = np.log(positive)
    floor = logarithm.max() - np.log(1e4)  # what is far thinner than the densest is all empty
    return float(np.exp(_otsu(logarithm.clip(min=floor))))


def _otsu(values: Float[np.ndarray, " n"]) -> float:
    """The threshold between whose two sides the means differ most (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=BINS)
    middles = 0.5 * (edges[1:] + edges[:-1])
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * middles)[:-1]
    above, total = counts.sum() - below, (counts * middles).sum()
    apart = sums / below.clip(min=1) - (total - sums) / above.clip(min=1)
    return float(edges[1 + np.argmax(below * above * apart**2)])


def refuse_empty(learned: Learned) -> None:
    """InputError that says what levels there are: there is no surface at the one that was asked.

    Raises:
        InputError: always.
    """
    if learned.measure is None:
        raise InputError("there is no surface", found="no triangles", expected="a trained run")
    values = samples(learned)
    if not np.isfinite(values).all():
        raise InputError("the field gives no numbers", found="NaN", expected="a trained run")
    low, high = float(values.min()), float(values.max())
    noun, found = learned.noun, f"{learned.noun} {low:.4g} to {high:.4g} everywhere"
    hint = "has it been trained?"
    if learned.noun == "density" and 0 < advised(values) < high:
        hint = f"level={advised(values):.3g} tells full from empty; has it been trained?"
    expected = f"a {noun} of {learned.level:.4g} somewhere"
    raise InputError(
        "there is no surface", field="level", found=found, expected=expected, hint=hint
    )


def advice(mesh: Mesh, learned: Learned) -> str | None:
    """A line to print where a mesh fills its box, None where it looks like something."""
    if learned.measure is None:
        return None
    low, high = learned.box
    corners = mesh.vertices[mesh.faces].astype(np.float64) - low
    volume = np.linalg.det(corners).sum() / 6
    if volume < BLOB * float(np.prod(high - low)):
        return None
    values = samples(learned)
    better = advised(values)
    said = (
        f"level={learned.level:.4g} gives one blob, {volume / np.prod(high - low):.0%} of the box"
    )
    if learned.noun == "density" and better > learned.level:
        return f"{said}: try level={better:.3g}"
    return f"{said}: has it been trained?"
