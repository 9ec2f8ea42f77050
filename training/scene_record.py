"""What a run remembers of its data: everything but the pixels and points.

A trained scene can so be looked at, exported and rendered along new paths where the photos are
not, and a run notices when it is opened with other data than it was trained on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from polyfield.cameras.files import cameras_from_dict
from polyfield.datasets.images import Images
from polyfield.datasets.scene import Scene
from polyfield.durable import replace_file
from polyfield.errors import InputError

FILE = "scene.json"
SAME = 1e-5  # poses nearer than this, in world units, are the same


def write_scene(run: Path, scene: Scene) -> None:
    """Write `scene.json`."""
    record = {
        "format": scene.format,
        "path": None if scene.path is None else str(scene.path),
        "background": scene.background,
        "unbounded": scene.unbounded,
        "near_far": list(scene.near_far),
        "bounds": scene.bounds.tolist(),
        "source_from_world": scene.source_from_world.tolist(),
        "channels": scene.images.channels,
        "names": list(scene.images.names),
        "splits": {name: part.tolist() for name, part in scene.splits.items()},
        "cameras": scene.cameras.to_dict(),
    }
    replace_file(run / FILE, json.dumps(record, ensure_ascii=False).encode())


def read_scene(run: Path) -> Scene | None:
    """The scene of a run without photos, which raise when they are asked for; None if not recorded.

    Raises:
        InputError: when the record is damaged.
    """
    file = run / FILE
    if not file.exists():
        return None
    try:
        record = json.loads(file.read_bytes())
        cameras = cameras_from_dict(record["cameras"], file)
        return Scene(
            cameras=cameras,
            images=_absent(record, cameras.size.numpy()),
            splits={k: torch.tensor(v, dtype=torch.int64) for k, v in record["splits"].items()},
            source_from_world=torch.tensor(record["source_from_world"], dtype=torch.float64),
            background=record["background"],
            bounds=torch.tensor(record["bounds"]),
            unbounded=bool(record["unbounded"]),
            near_far=(float(record["near_far"][0]), float(record["near_far"][1])),
            format=record["format"],
            path=None if record["path"] is None else Path(record["path"]),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("damaged record of the scene", file=file, found=repr(error)) from error


def check_same_scene(scene: Scene, recorded: Scene) -> None:
    """Compare data with what a run was trained on.

    Raises:
        InputError: naming what has changed.
    """
    names = (list(scene.images.names), list(recorded.images.names))
    if names[0] != names[1]:
        _changed(scene, "images", f"{len(names[0])}", f"the {len(names[1])} of the training")
    apart = (scene.cameras.world_from_camera - recorded.cameras.world_from_camera).abs()
    if float(apart.max()) > SAME:
        name = names[0][int(apart.amax(dim=(1, 2)).argmax())]
        _changed(scene, f"pose of {name}", "another", "the one of the training")
    for key in ("size", "model", "intrinsics", "distortion"):
        now, then = (getattr(side.cameras, key).double() for side in (scene, recorded))
        if not torch.allclose(now, then, rtol=1e-7, atol=1e-9):
            i = int((now - then).abs().reshape(len(names[0]), -1).amax(dim=1).argmax())
            _changed(scene, f"{key} of {names[0][i]}", "another", "the one of the training")
    parts = [{k: sorted(v.tolist()) for k, v in side.splits.items()} for side in (scene, recorded)]
    for name in sorted(parts[0].keys() | parts[1].keys()):
        if parts[0].get(name, []) != parts[1].get(name, []):
            found = f"another {len(parts[0].get(name, []))} images"
            _changed(scene, f"split {name}", found, f"the {len(parts[1].get(name, []))} there were")
    _check_same_times(scene, recorded, names[0])
    for key in ("bounds", "source_from_world"):
        now, then = (getattr(side, key).double() for side in (scene, recorded))
        if not torch.allclose(now, then, rtol=SAME, atol=SAME):
            _changed(scene, key, now.tolist(), str(then.tolist()))
    for key in ("background", "unbounded"):
        now, then = getattr(scene, key), getattr(recorded, key)
        if now != then:
            _changed(scene, key, now, str(then))


def _check_same_times(scene: Scene, recorded: Scene, names: list[str]) -> None:
    now, then = scene.times, recorded.times
    if now is None or then is None:
        if now is not then:
            found, expected = ("none" if t is None else "one of each image" for t in (now, then))
            _changed(scene, "times", found, expected)
        return
    apart = (now - then).abs()
    if float(apart.max()) > SAME:
        _changed(scene, f"time of {names[int(apart.argmax())]}", "another", "that of the training")


def _changed(scene: Scene, field: str, found: str, expected: str) -> NoReturn:
    raise InputError(
        "the data has changed since it was trained on",
        file=scene.path,
        field=field,
        found=found,
        expected=expected,
    )


def _absent(record: dict[str, Any], sizes: np.ndarray) -> Images:
    names, path = record["names"], record["path"]

    def decode(i: int) -> np.ndarray:
        raise InputError("the photos that this run was trained on are gone", file=path)

    return Images(names, sizes, record["channels"], decode)
