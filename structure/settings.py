"""What may be chosen of preparing, and what COLMAP is told for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from polyfield.errors import InputError

LEAST = 3  # photos of which a scene can be made
SEEDS = 1 << 31
MATCHING = ("auto", "exhaustive", "sequential")
CAMERAS = {
    "auto": "SIMPLE_RADIAL",
    "simple_pinhole": "SIMPLE_PINHOLE",
    "pinhole": "PINHOLE",
    "simple_radial": "SIMPLE_RADIAL",
    "radial": "RADIAL",
    "opencv": "OPENCV",
    "fisheye": "OPENCV_FISHEYE",
}


class Quality(NamedTuple):
    """How closely photos are looked at: their longer side in pixels, and features at most."""

    side: int
    features: int


QUALITIES = {
    "low": Quality(1000, 2048),
    "medium": Quality(1600, 4096),
    "high": Quality(2400, 8192),
}


@dataclass(frozen=True)
class Settings:
    """What a user chooses.

    Attributes:
        frames: how many to take of a video.
        matching: which photos are compared: "exhaustive", each with each; "sequential", with those
            around it, in the order of names or of the video; "auto".
        camera: a key of `CAMERAS`.
        single_camera: whether all photos have the same one; "auto": those of one size and lens.
        max_size: longer side of the photos that are written, pixels; None leaves them.
        quality: a key of `QUALITIES`.
        seed: of everything random.

    Raises:
        InputError: for a value that is none of these.
    """

    frames: int = 150
    matching: str = "auto"
    camera: str = "auto"
    single_camera: bool | str = "auto"
    max_size: int | None = None
    quality: str = "medium"
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("matching", self.matching, MATCHING)
        _one_of("camera", self.camera, tuple(CAMERAS))
        _one_of("single_camera", self.single_camera, ("auto", True, False))
        _one_of("quality", self.quality, tuple(QUALITIES))
        if self.frames < LEAST:
            raise InputError(field="frames", found=self.frames, expected=f"at least {LEAST}")
        if self.max_size is not None and self.max_size < 64:
            raise InputError(field="max_size", found=self.max_size, expected="at least 64 pixels")
        if not 0 <= self.seed < SEEDS:
            raise InputError(field="seed", found=self.seed, expected="a seed from 0 to 2^31 - 1")


def _one_of(key: str, value: object, choices: tuple[object, ...]) -> None:
    # By type too: 1 is no True.
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        names = [str(choice).lower() for choice in choices]
        raise InputError(field=key, found=value, expected=" or ".join(names))
