"""NeRF-synthetic: `transforms_train.json`, `transforms_test.json`, `transforms_val.json`.

Source: Mildenhall et al. 2020, "NeRF". Objects at the origin, cameras on a sphere of radius 4
around it, straight alpha. The frame is kept, and the object lies in the box of +-1.5. D-NeRF's
scenes (Pumarola et al. 2021) are the same with a `time` in [0, 1] of every frame.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyfield.datasets.capture import Capture
from polyfield.datasets.json_fields import Record, read_json
from polyfield.datasets.transforms import read_frames

HALF_SIZE = 1.5
SPLITS = ("train", "test", "val")


def load_blender(path: Path) -> Capture:
    """Read a folder of the NeRF-synthetic layout.

    Args:
        path: the folder that `transforms_train.json` is in.

    Raises:
        InputError: naming the file and field at fault.
    """
    frames: list[tuple[Record, Record]] = []
    splits: dict[str, list[int]] = {}
    for split in SPLITS:
        file = path / f"transforms_{split}.json"
        if split == "train" or file.exists():
            header = read_json(file)
            found = [(header, frame) for frame in header.records("frames")]
            splits[split] = list(range(len(frames), len(frames) + len(found)))
            frames += found
    capture = read_frames(frames, path)
    capture.format = "blender"
    capture.splits = splits
    capture.keep_frame = True
    capture.unbounded = False
    capture.bounds = np.array([[-HALF_SIZE] * 3, [HALF_SIZE] * 3])
    return capture
