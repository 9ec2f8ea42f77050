"""Learning a shape from its mesh: the signed distance to it, or what lies inside.

Half of the training points lie on the surface, where the distance is 0; three tenths near it, moved
by a normal deviate; the others, and of occupancy the first half, anywhere in [-1, 1]^3. Distances
are exact, signs are those of the generalised winding number, which closes what has holes. The loss
of distances is relative,

    mean |d - d*| / (|d*| + 0.01),

so that what counts is the surface. Letters: n points x in [-1, 1]^3, d distances.

Source: TILTED (Yi et al. 2023) for points and loss, Barill et al. (2018) for the signs.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from polyfield.datasets.mesh import Mesh
from polyfield.errors import InputError
from polyfield.fields.signal_field import SignalField
from polyfield.renderers.pictures import picture, write_picture
from polyfield.training.points import PointTask
from polyfield.training.task import StepResult

SHARES = {"surface": 0.5, "near": 0.3, "uniform": 0.2}  # of the training points
NEAR = 0.01  # standard deviation of points near the surface
EASE = 0.01  # added to the distance that errors are relative to
NOTHING = 0.9  # relative error from which on no more than the surface's own zeros were learned
TRAINED, HELD_OUT = 0, 1  # seeds of the points
PICTURE = 256  # pixels of a section
BANDS = 0.1  # between the level lines of a section


class Points(NamedTuple):
    """Points and what is known there.

    Attributes:
        x: [n, 3] in [-1, 1]^3.
        value: [n] distance, or 1 inside and 0 outside.
    """

    x: Float[Tensor, "n 3"]
    value: Float[Tensor, " n"]


def unit(x: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """[-1, 1]^3 to the unit cube."""
    return 0.5 * (x + 1)


def relative_error(found: Tensor, true: Tensor) -> Tensor:
    """The mean relative error of distances, MAPE."""
    return ((found - true).abs() / (true.abs() + EASE)).mean()


def overlap(found: Tensor, true: Tensor) -> float | None:
    """Intersection over union of two sets of inner points; None where both are empty."""
    union = int((found | true).sum())
    return int((found & true).sum()) / union if union else None


class ShapeTask(PointTask):
    """What signed distance and occupancy have in common.

    Args:
        field: three coordinates, one number.
        mesh: the shape.
        batch: points a step.
        points: that are drawn before training, on the surface, near it and anywhere.
        eval_points: anywhere, and as many near the surface, that are scored on.
        rotation_seed: of a random rotation of the mesh; None for none.
    """

    score_name = "iou"

    def __init__(
        self,
        field: SignalField,
        mesh: Mesh,
        *,
        batch: int = 16384,
        points: int = 1 << 20,
        eval_points: int = 1 << 17,
        rotation_seed: int | None = None,
    ) -> None:
        super().__init__(field, batch)
        for name, number in {"points": points, "eval_points": eval_points}.items():
            if number < 16:
                raise InputError(field=f"task.{name}", found=number, expected="16 or more")
        self.mesh = mesh if rotation_seed is None else mesh.turned(rotation_seed)
        self.points, self.eval_points = points, eval_points

    @cached_property
    def training(self) -> Points:
        """The points that are trained on; made when first needed, the same ones every time."""
        random = np.random.default_rng(TRAINED)
        counts = {name: round(share * self.points) for name, share in SHARES.items()}
        x = np.concatenate([self.placed(name, n, random) for name, n in counts.items()])
        return self.checked(self.known(x, on_surface=counts["surface"]))

    def checked(self, points: Points) -> Points:
        """The training points, if something can be learned of them."""
        return points

    def scored(self) -> dict[str, Points]:
        """Held-out points: anywhere, and near the surface."""
        random = np.random.default_rng(HELD_OUT)
        places = {name: self.placed(name, self.eval_points, random) for name in ("uniform", "near")}
        return {name: self.known(x) for name, x in places.items()}

    def placed(self, where: str, n: int, random: np.random.Generator) -> np.ndarray:
        """[n, 3] random points: "surface", "near" it or "uniform"."""
        if where == "uniform":
            return random.uniform(-1, 1, (n, 3))
        x = self.mesh.surface_points(n, random)
        return x if where == "surface" else x + random.normal(0, NEAR, (n, 3))

    def known(self, x: np.ndarray, on_surface: int = 0) -> Points:
        """What the mesh says at points, the first of which are on its surface."""
        raise NotImplementedError

    def drawn(self, generator: torch.Generator) -> Points:
        """A batch of the training points."""
        index = torch.randint(len(self.training.x), (self.batch,), generator=generator)
        return Points(self.training.x[index], self.training.value[index])

    def raw(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """The field's number at points of [-1, 1]^3, without gradient."""
        return self.field.signal(unit(x)).squeeze(-1)

    def learned(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """What `known` says, as the field has it."""
        return self.raw(x)

    def inside(self, raw: Tensor) -> Tensor:
        """Which of the field's numbers mean inside."""
        raise NotImplementedError

    def errors(self, raw: Tensor, true: Tensor) -> dict[str, float]:
        """Scores beside IoU."""
        return {}

    def score(self, out: Path | None, limit: int | None) -> dict[str, Any]:
        """IoU and errors at points anywhere, and near the surface as rows beside them."""
        rows, notes = [], []
        for name, points in self.scored().items():
            raw = self.raw(points.x)
            iou = overlap(self.inside(raw), self.truly_inside(points))
            if iou is None:
                notes.append(f"iou: no points inside ({name})")
            rows.append({"name": name, "iou": iou, **self.errors(raw, points.value)})
        scores = {key: value for key, value in rows[0].items() if key != "name"}
        if out is not None:
            write_picture(out / "sections.png", self.sections())
        protocol = (
            f"{self.eval_points:,} points uniform in [-1,1]^3, as many {NEAR} off the surface"
        )
        if not self.mesh.watertight:
            protocol += "; open borders closed by the winding number"
        return {**scores, "points": rows, "protocol": protocol, "notes": notes}

    def truly_inside(self, points: Points) -> Tensor:
        """Which points are inside."""
        raise NotImplementedError

    def sections(self) -> np.ndarray:
        """Three sections through the middle: the truth above, what was learned below."""
        steps = (torch.arange(PICTURE) + 0.5) / PICTURE * 2 - 1
        down, right = torch.meshgrid(-steps, steps, indexing="ij")
        zero = torch.zeros_like(down)
        rows: list[list[np.ndarray]] = [[], []]
        for axes in ((right, down, zero), (right, zero, down), (zero, right, down)):
            x = torch.stack(axes, dim=-1).view(-1, 3)
            for row, value in zip(rows, (self.known(x.numpy()).value, self.learned(x))):
                row.append(self.drawing(value.view(PICTURE, PICTURE).numpy()))
        return np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)

    def drawing(self, value: np.ndarray) -> np.ndarray:
        """A section [h, w] as a picture."""
        raise NotImplementedError


class SdfTask(ShapeTask):
    """Learns the signed distance to a mesh, negative inside, in units of [-1, 1]^3."""

    def known(self, x: np.ndarray, on_surface: int = 0) -> Points:
        distance = np.zeros(len(x))
        distance[on_surface:] = self.mesh.signed_distance(x[on_surface:])
        return Points(*(torch.from_numpy(a.astype(np.float32)) for a in (x, distance)))

    def loss(self, step: int, progress: float, generator: torch.Generator) -> StepResult:
        """Draw points and compare distances."""
        batch = self.drawn(generator)
        loss = relative_error(self.field(unit(batch.x)).squeeze(-1), batch.value)
        return self.result("distance", loss, {"mape": loss.detach()}, len(batch.x))

    def sdf(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Signed distance at points of [-1, 1]^3."""
        return self.learned(x)

    def inside(self, raw: Tensor) -> Tensor:
        return raw < 0

    def truly_inside(self, points: Points) -> Tensor:
        return points.value < 0

    def errors(self, raw: Tensor, true: Tensor) -> dict[str, float]:
        return {"mape": float(relative_error(raw, true))}

    def score(self, out: Path | None, limit: int | None) -> dict[str, Any]:
        scores = super().score(out, limit)
        if scores["mape"] > NOTHING:
            scores["notes"].append(
                "mape: about what 0 everywhere has, so that no shape was learned; a factored grid "
                "needs a coarse level beside its finest, field.resolution=[32,128]"
            )
        return scores

    def drawing(self, value: np.ndarray) -> np.ndarray:
        """Blue inside and orange outside, darker with distance, with level lines."""
        depth = np.exp(-2.5 * np.abs(value))[..., None]
        color = np.where(value[..., None] < 0, [0.35, 0.6, 0.95], [0.95, 0.7, 0.35])
        line = 0.85 + 0.15 * np.cos(2 * np.pi * value / BANDS)[..., None]
        shaded = color * line * (0.35 + 0.65 * depth)
        return picture(np.where(np.abs(value)[..., None] < 0.006, 1.0, shaded))


class OccupancyTask(ShapeTask):
    """Learns what is inside a mesh; the field's number is the logit of that.

    Raises:
        InputError: when nothing is inside.
    """

    def known(self, x: np.ndarray, on_surface: int = 0) -> Points:
        inside = self.mesh.inside(x)
        return Points(*(torch.from_numpy(a.astype(np.float32)) for a in (x, inside)))

    def checked(self, points: Points) -> Points:
        """What encloses nothing has no inside to learn."""
        if not points.value.any():
            raise InputError(
                "the mesh encloses nothing",
                file=self.mesh.path,
                field="faces",
                found="open borders" if not self.mesh.watertight else "no volume",
                expected="a surface around something",
                hint="task=sdf learns the distance to any surface",
            )
        return points

    def placed(self, where: str, n: int, random: np.random.Generator) -> np.ndarray:
        # On the surface there is nothing to know, and the inside is larger than what is near it.
        return super().placed("uniform" if where == "surface" else where, n, random)

    def loss(self, step: int, progress: float, generator: torch.Generator) -> StepResult:
        """Draw points and compare by binary cross-entropy."""
        batch = self.drawn(generator)
        logits = self.field(unit(batch.x)).squeeze(-1)
        loss = F.binary_cross_entropy_with_logits(logits, batch.value)
        right = ((logits.detach() > 0) == (batch.value > 0.5)).float().mean()
        return self.result("occupancy", loss, {"accuracy": right}, len(batch.x))

    def occupancy(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """The probability of being inside, at points of [-1, 1]^3."""
        return self.learned(x)

    def learned(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return torch.sigmoid(self.raw(x))

    def inside(self, raw: Tensor) -> Tensor:
        return raw > 0

    def truly_inside(self, points: Points) -> Tensor:
        return points.value > 0.5

    def errors(self, raw: Tensor, true: Tensor) -> dict[str, float]:
        return {"accuracy": float(((raw > 0) == (true > 0.5)).float().mean())}

    def drawing(self, value: np.ndarray) -> np.ndarray:
        """Blue inside, orange outside."""
        outer, inner = np.array([0.95, 0.7, 0.35]), np.array([0.35, 0.6, 0.95])
        return picture(outer + value[..., None] * (inner - outer))
