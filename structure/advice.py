"""What may be wrong where photos do not register, from what was measured of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from polyfield.datasets.image_files import first_names, opened
from polyfield.structure.sharpness import sharpness

WELL = 0.9  # share of the photos from which nothing is said
TEXTURE = 300  # features of a photo, fewer are few
OVERLAP = 3  # other photos that one should share something with
BLUR = 0.35  # of the others' sharpness
SIDE = 640  # of photos whose sharpness is compared, pixels


def advise(
    images: Path, registered: Iterable[str], features: dict[str, int], partners: dict[str, int]
) -> list[str]:
    """Lines of advice; none where nearly all photos registered.

    Args:
        images: the folder of photos.
        registered: their names.
        features: by name, of all photos.
        partners: by name, with how many others a photo shares something.
    """
    known = set(registered)
    absent = [name for name in features if name not in known]
    if not features or len(known) >= WELL * len(features):
        return []
    lines = [f"without a camera: {first_names(absent, 6)}"] if absent else []
    few = statistics.median(features[name] for name in absent)
    if few < TEXTURE:
        lines.append(
            f"texture: they have {few:.0f} features each; bare, shiny or dark surfaces have none. "
            "Let more of the surroundings into the picture, lay a newspaper beneath, add light; "
            "quality=high looks closer"
        )
    lonely = statistics.median(partners.get(name, 0) for name in absent)
    if lonely < OVERLAP:
        lines.append(
            f"overlap: they share something with {lonely:.0f} others each. Take photos from places "
            "in between, so that neighbours show two thirds of the same; matching=exhaustive "
            "compares each with each"
        )
    score = {name: score_of(images / name) for name in features}
    blurred = [name for name in absent if score[name] < BLUR * statistics.median(score.values())]
    if len(blurred) > len(absent) // 4:
        lines.append(
            f"blur: {first_names(blurred)} ({len(blurred)}) are much less sharp than the others. "
            "Hold still, or film more slowly and in more light"
        )
    if len(lines) < 2:
        lines.append(
            "photos share features, but no cameras fit them: reflections, things that moved, "
            "or turning on the spot. Walk around things; try single_camera=false or "
            "another camera="
        )
    return lines


def score_of(photo: Path) -> float:
    """The sharpness of a photo."""
    with opened(photo) as image:
        grey = image.convert("L")
        grey.thumbnail((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=None)
        return sharpness(np.asarray(grey))
