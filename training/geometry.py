"""Known geometry for fields that lie around it: found by a short training, or read from a file.

A small dense grid learns density sooner than any other field. Where it is not empty after a share
of the budget is all that is kept of it (Gao et al. 2023, section 4.1, after DVGO's coarse stage).

Letters: n points, R cells an axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.datasets.point_file import read_points
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.fields.domain import Domain
from polyfield.fields.field import RadianceField
from polyfield.training.phase import QUIET, divided
from polyfield.training.progress import Display
from polyfield.training.task import Task

RESOLUTION = 96  # of the dense grid
CHANNELS = 8
WIDTH = 32  # of its colour network
RATE = 0.1  # its learning rate
CELLS = 128  # R: where its density is looked at
OPACITY = 0.03  # of a cell, above which it is not empty
UNTOUCHED = 0.01  # of a cell that was never looked at (DVGO's alpha_init)
DENSEST = 0.01  # share of the cells that is kept where all are empty


class Placed(Protocol):
    """A field around known geometry, an `nn.Module`."""

    def parameters(self) -> Iterator[Tensor]: ...

    def place(self, points: Float[Tensor, "n 3"], generator: torch.Generator | None = None) -> None:
        """Take its place around points of the unit cube."""


def coarse(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the short training.

    Args:
        config: of the run; `trainer.geometry` is the share of the budget that this phase gets.

    Raises:
        InputError: for a share that is none.
    """
    share = config["trainer"]["geometry"]
    if not isinstance(share, (int, float)) or not 0 < share < 1:
        raise InputError(field="trainer.geometry", found=share, expected="0, or below 1")
    field = {
        "_target_": "polyfield.fields.DenseGrid",
        "resolution": [RESOLUTION],
        "channels": CHANNELS,
    }
    decoder = {
        "_target_": "polyfield.fields.RadianceDecoder",
        "trunk": None,
        "summed": 1,
        "color": "mlp",
        "hidden": [WIDTH],
    }
    trainer = {**divided(config["trainer"], share)[0], **QUIET}
    optimizer = {**config["optimizer"], "lr": RATE}
    changed = {"field": field, "decoder": decoder, "trainer": trainer, "optimizer": optimizer}
    return {**config, **changed, "logging": None}


def begun_for(config: Mapping[str, Any], domain: Domain) -> dict[str, Any]:
    """The short training's configuration, every cell as opaque as one that was never looked at.

    Densities are per unit of length: what they begin with depends on how long a cell's edge is.

    Args:
        config: of `coarse`.
        domain: what it learns.
    """
    middle = torch.full((1, 3), 0.5)
    shift = math.log(-math.log1p(-UNTOUCHED) / float(_cell_edges(domain, middle)))
    return {**config, "decoder": {**config["decoder"], "shift": shift}}


def _cell_edges(domain: Domain, u: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    """World units, of cells with these middles in the unit cube."""
    half = 0.5 / CELLS
    across = domain.to_world(u + half) - domain.to_world(u - half)
    return torch.linalg.vector_norm(across, dim=-1) / 3**0.5


def remaining(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of what comes after: all of the budget where geometry is given."""
    trainer = config["trainer"]
    share = 0.0 if config["field"].get("points") else trainer["geometry"]
    return {**config, "trainer": divided(trainer, share)[1]}


@torch.no_grad()
def occupied_points(field: RadianceField, display: Display | None = None) -> Float[Tensor, "n 3"]:
    """The middles of the cells of the unit cube that a field does not leave empty.

    Never none: where all are empty, these are the densest, and a note says so.
    """
    axis = (torch.arange(CELLS) + 0.5) / CELLS
    u = torch.cartesian_prod(axis, axis, axis)
    edge = _cell_edges(field.domain, u)
    density = torch.cat([field.density_at(part) for part in u.split(CELLS**2)])
    opacity = -torch.expm1(-density * edge)
    found = (opacity > OPACITY).nonzero().flatten()
    if len(found) == 0:
        found = opacity.topk(int(DENSEST * len(u))).indices
        (display or Display()).note(
            f"note: the coarse geometry is empty, no cell is more opaque than {OPACITY}; the "
            f"densest {DENSEST:.0%} are kept (a larger trainer.geometry gives it more time)"
        )
    return u[found]


def given_points(file: Path, scene: Scene, domain: Domain) -> Float[Tensor, "n 3"]:
    """The points of a file, or of the surface in it, in the unit cube of a domain.

    Args:
        file: in the frame of the user's data.

    Raises:
        InputError: when it cannot be read, or none of it lies in the domain.
    """
    points = torch.from_numpy(read_points(file))
    world_from_source = torch.linalg.inv(scene.source_from_world.double())
    world = points @ world_from_source[:3, :3].T + world_from_source[:3, 3]
    u = domain.to_unit(world)
    inside = ((u >= 0) & (u <= 1)).all(dim=-1)
    if not bool(inside.any()):
        low, high = (end.tolist() for end in (points.amin(dim=0), points.amax(dim=0)))
        box = (
            domain.bounds.double() @ scene.source_from_world[:3, :3].double().T
            + scene.source_from_world[:3, 3].double()
        )
        raise InputError(
            "no point of it lies in the box that is learned", file=file, field="field.points",
            found=f"points in {_shown([low, high])}", expected=f"some in {_shown(box.tolist())}",
            hint="they are in the frame and scale of the data; domain.bounds sets the box",
        )  # fmt: skip
    return u[inside].float()


def placed_part(task: Task) -> Placed:
    """The part of a task that lies around known geometry.

    Raises:
        InputError: when there is none.
    """
    for part in task.module.modules():
        if hasattr(part, "place"):
            found: Any = part
            return found
    raise InputError(
        field="trainer.geometry", found="above 0, and a field that takes no geometry", expected="0"
    )


def field_of(task: Task) -> RadianceField:
    """The radiance field of a task."""
    return next(part for part in task.module.modules() if isinstance(part, RadianceField))


def _shown(corners: list[list[float]]) -> str:
    return " to ".join(f"({', '.join(f'{x:.4g}' for x in corner)})" for corner in corners)
