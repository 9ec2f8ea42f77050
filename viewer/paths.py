"""Camera paths that a person makes: keyframes, and a smooth way through them.

Letters: k keyframes, n cameras of the path.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch

from polyfield.cameras import Cameras
from polyfield.cameras.cameras import concatenate
from polyfield.cameras.files import cameras_from_dict
from polyfield.cameras.paths import interpolate
from polyfield.errors import InputError
from polyfield.viewer.viewed import Viewed

MOST = 1000  # keyframes
LARGEST = 16 << 20  # bytes of a file of cameras


class Keyframes:
    """Cameras in the order in which a path goes through them, in the world of what is shown."""

    def __init__(self) -> None:
        self._cameras: list[Cameras] = []

    def __len__(self) -> int:
        return len(self._cameras)

    @property
    def cameras(self) -> Cameras:
        """All of them.

        Raises:
            InputError: where there is none.
        """
        if not self._cameras:
            raise InputError("no keyframes", hint="stand somewhere and add one")
        return concatenate(self._cameras)

    def add(self, camera: Cameras) -> None:
        """One more, at the end.

        Raises:
            InputError: where there are too many.
        """
        if len(self) + len(camera) > MOST:
            found = len(self) + len(camera)
            raise InputError(field="keyframes", found=found, expected=f"at most {MOST}")
        self._cameras += [camera[i] for i in range(len(camera))]

    def drop_last(self) -> None:
        """Take the last one away, if there is one."""
        del self._cameras[-1:]

    def clear(self) -> None:
        """Take all away."""
        self._cameras = []

    def path(self, n: int, closed: bool = False) -> Cameras:
        """A smooth way through all keyframes.

        Args:
            n: cameras of it.
            closed: whether it goes on to the first, so that it can be repeated without a jump.

        Raises:
            InputError: for fewer than two keyframes.
        """
        keys = self.cameras
        if len(keys) < 2:
            raise InputError(field="keyframes", found=len(keys), expected="two or more")
        if not closed:
            return _timed(interpolate(keys, n), keys, n)
        # Two more on either side, so that the seam is as smooth as the rest.
        k = len(keys)
        around = keys[torch.arange(-2, k + 3) % k]
        steps = max(round(n / k * 64), 64) // 64 * 64
        dense = interpolate(around, (k + 4) * steps + 1)
        index = torch.from_numpy(np.round(np.arange(n) * k * steps / n).astype(np.int64))
        return _timed(dense[index + 2 * steps], keys, n)


def _timed(path: Cameras, keys: Cameras, n: int) -> Cameras:
    """The path with times between those of the keyframes, where they have such."""
    from dataclasses import replace

    if keys.times is None:
        return path
    at = np.linspace(0, len(keys) - 1, n)
    times = np.interp(at, np.arange(len(keys)), keys.times.numpy())
    return replace(path, times=torch.from_numpy(times))


def to_json(cameras: Cameras, viewed: Viewed) -> bytes:
    """A `cameras.json` in the frame of the user's data, as `polyfield render path=` reads it."""
    entries = cameras.transformed(viewed.source_from_world).to_dict()
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    return f"[\n{lines}\n]\n".encode()


def from_json(text: bytes, viewed: Viewed) -> Cameras:
    """The cameras of such a file, in the world of what is shown.

    Raises:
        InputError: for a file that holds something else.
    """
    if len(text) > LARGEST:
        expected = f"at most {LARGEST:,}"
        raise InputError(field="bytes of the file", found=f"{len(text):,}", expected=expected)
    try:
        entries: Any = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"not json: {error}"[:200]) from error
    cameras = cameras_from_dict(entries)
    return cameras.transformed(torch.linalg.inv(viewed.source_from_world))
