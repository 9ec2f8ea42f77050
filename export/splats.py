"""Gaussians as files, in the frame and scale of the user's data.

Letters: n Gaussians, k harmonics beyond the first.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from polyfield.errors import InputError
from polyfield.export import out_file
from polyfield.splats.activations import colors_of_dc, dc_of_colors
from polyfield.splats.cleaning import Cleaned, checked_degree, clean, cut_degree
from polyfield.splats.formats import write_splats, written_format
from polyfield.splats.frames import transformed
from polyfield.splats.splats import Splats
from polyfield.training.task import Task

FRAMES = ("source", "world")


def splats_of(task: Task, frame: str = "source", run: Path | None = None) -> Splats:
    """The Gaussians of a task, as it shows them.

    Where the light of each photo was learned, that of views without one, the mean, is laid on.

    Args:
        task: of a run with field=gaussians.
        frame: "source" for frame and scale of the user's data, "world" for those of the training.
        run: whose task it is, for messages.

    Raises:
        InputError: for a task that has learned something else.
    """
    renderer: Any = getattr(task, "renderer", None)
    field: Any = getattr(renderer, "field", None)
    if not hasattr(field, "splats"):
        has_views = renderer is not None
        hint = f"`polyfield train field=gaussians task.init_from={run or 'RUN'}` begins with it"
        raise InputError(
            "no Gaussians to write as splats",
            file=run,
            found=_learned(task),
            expected="a run of field=gaussians",
            hint=hint if has_views else None,
        )
    splats: Splats = field.splats()
    code = getattr(task, "code", None)
    if code is not None:
        splats = exposed(splats, code.reshape(3, 4).numpy())
    if checked_frame(frame) == "world":
        return splats
    scene: Any = getattr(task, "scene", None)
    return transformed(splats, scene.source_from_world.double().numpy())


def _learned(task: Task) -> str:
    """What a person would call what a task has learned: its backbone, or itself."""
    field = getattr(getattr(task, "renderer", None), "field", task)
    return type(getattr(field, "backbone", field)).__name__


def up_of(task: Task, frame: str = "source") -> Float[np.ndarray, "3"]:
    """The unit vector that points up, which is +z in the world."""
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    if frame == "source":
        scene: Any = getattr(task, "scene", None)
        up = torch.nn.functional.normalize(scene.source_from_world[:3, :3].double() @ up, dim=0)
    return np.round(up.numpy(), 12) + 0.0  # no minus zero


def exposed(splats: Splats, exposure: Float[np.ndarray, "3 4"]) -> Splats:
    """Gaussians in another light: colours c become A c + b, as pictures of opaque ones do.

    Args:
        exposure: [A | b].
    """
    mix, offset = exposure[:, :3].astype(np.float32), exposure[:, 3].astype(np.float32)
    colors = colors_of_dc(splats.sh_dc) @ mix.T + offset
    return replace(splats, sh_dc=dc_of_colors(colors), sh_rest=splats.sh_rest @ mix.T)


def checked_frame(frame: str) -> str:
    """The same; InputError for a frame that there is not."""
    if frame not in FRAMES:
        raise InputError(field="frame", found=frame, expected=" or ".join(FRAMES))
    return frame


def check_out(out: Path, degree: int | None = None, overwrite: bool = False) -> None:
    """Whether Gaussians can be written there, before anything is done for it.

    Raises:
        InputError: for a name of no format, a degree that there is not, a file that is there
            already, or a folder that is not.
    """
    written_format(out)
    if degree is not None:
        checked_degree(degree)
    out_file.check_out(out, overwrite)


def export_splats(
    splats: Splats,
    out: str | os.PathLike[str],
    *,
    degree: int | None = None,
    keep_transparent: bool = False,
    overwrite: bool = False,
    source: Path | None = None,
) -> Cleaned:
    """Write those Gaussians that are of use; the file has its name only when it is whole.

    Args:
        splats: any, also such as are not finite.
        out: its name tells the format.
        degree: the highest of the harmonics to keep; None for all that the format holds.
        keep_transparent: whether to keep what is never seen.
        overwrite: whether a file that is there is replaced.
        source: where they come from, for messages.

    Returns:
        what was written, and how many were left out for which reason.

    Raises:
        InputError: as `check_out`, and where no Gaussian is left.
        OSError: for a file that cannot be written.
    """
    out = Path(out)
    check_out(out, degree, overwrite)
    kept, dropped = clean(splats, transparent=not keep_transparent)
    if not len(kept):
        raise InputError("no Gaussian is left", file=source, found=dropped_line(dropped))
    highest = written_format(out).degree
    written = cut_degree(kept, highest if degree is None else min(degree, highest))
    write_splats(written, out)
    return Cleaned(written, dropped)


def dropped_line(dropped: dict[str, int]) -> str:
    """`9: 3 not finite, 6 nearly transparent`."""
    parts = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
    return f"{sum(dropped.values()):,}: {parts}" if dropped else "none"
