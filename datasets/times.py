"""When the frames of a scene that moves were taken: all frames say, or none does.

Time runs from 0 to 1, as in D-NeRF's files. Letters: n frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polyfield.datasets.json_fields import Record
from polyfield.errors import InputError

KEY = "time"
MEANINGS = ("auto", "ignore")
HINT = "dataset.times=ignore takes all frames to show the same moment"


def times_of_frames(frames: Sequence[Record]) -> np.ndarray | None:
    """[n] the frames' `time`; None where no frame has one.

    Raises:
        InputError: naming the frame whose time is missing, or not between 0 and 1.
    """
    having = [frame for frame in frames if KEY in frame]
    if not having:
        return None
    for frame in frames:
        value = frame.data.get(KEY)
        if value is None:
            expected = f"a number, as {len(having)} of {len(frames)} frames have"
            raise InputError(
                file=frame.file, field=frame.field(KEY), found="nothing", expected=expected,
                hint=HINT,
            )  # fmt: skip
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= 1:
            raise InputError(
                file=frame.file, field=frame.field(KEY), found=repr(value)[:80],
                expected="a number between 0 and 1", hint=HINT,
            )  # fmt: skip
    return np.array([float(frame.data[KEY]) for frame in frames])
