"""What the tests of splat files share: Gaussians at random, and how alike two sets are."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest

from polyfield.splats import Splats
from polyfield.splats.cleaning import ATTRIBUTES
from polyfield.splats.splats import HARMONICS


@pytest.fixture(scope="session")
def gaussians() -> Callable[..., Splats]:
    """n Gaussians of a degree, such as a training makes them."""

    def make(n: int = 7, degree: int = 0, seed: int = 0) -> Splats:
        draw = np.random.default_rng(seed).normal
        return Splats(
            means=draw(size=(n, 3)),
            quats=draw(size=(n, 4)),
            log_scales=draw(size=(n, 3)) - 4,
            opacity_logits=2 * draw(size=n),
            sh_dc=draw(size=(n, 3)),
            sh_rest=0.3 * draw(size=(n, HARMONICS[degree], 3)),
        )

    return make


@pytest.fixture(scope="session")
def check_equal() -> Callable[[Splats, Splats], None]:
    """Fail unless two sets have the same values, NaN included."""

    def check(found: Splats, expected: Splats) -> None:
        for name in ATTRIBUTES:
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
        assert found.antialiased == expected.antialiased

    return check


@pytest.fixture(scope="session")
def turned_apart() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Angles [n] in radians between the rotations of quaternions [n,4] of any length but 0."""

    def angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        a, b = (
            q.astype(np.float64) / np.linalg.norm(q.astype(np.float64), axis=1)[:, None]
            for q in (a, b)
        )
        # Of the shorter chord: the arc cosine of a product near 1 would be noise.
        chords = np.minimum(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
        return 4 * np.arcsin(np.clip(chords / 2, 0, 1))

    return angles


KSPLAT_TYPES = {0: ("f", "f", "f"), 1: ("H", "e", "e"), 2: ("H", "e", "B")}


@pytest.fixture(scope="session")
def ksplat_bytes() -> Callable[..., bytes]:
    """A .ksplat file, from what its fields are to hold.

    A section is a dictionary of `records`, tuples (position, scales, quaternion, rgba, harmonics)
    of numbers as they are stored, and of `degree`, and for levels 1 and 2 of bucket `centers`,
    `capacity`, number of `full` buckets and lengths of the `partial` ones.
    """

    def pack(level: int, sections: list[dict], sh_range: tuple = (-1.5, 1.5)) -> bytes:
        position, scale, harmonic = KSPLAT_TYPES[level]
        headers, bodies = [], []
        for section in sections:
            centers, partial = section.get("centers", []), section.get("partial", [])
            body = struct.pack(f"<{len(partial)}I", *partial)
            body += b"".join(struct.pack("<3f", *center) for center in centers)
            for means, scales, quat, rgba, harmonics in section["records"]:
                body += struct.pack(f"<3{position}", *means)
                body += struct.pack(f"<3{scale}4{scale}", *scales, *quat) + bytes(rgba)
                body += struct.pack(f"<{len(harmonics)}{harmonic}", *harmonics)
            n = len(section["records"])
            header = struct.pack(
                "<4IfHHIIIIH",
                *(n, n, section.get("capacity", 0), len(centers), section.get("width", 5.0)),
                *(12 if centers else 0, 0, section.get("half_steps", 0), len(body)),
                *(section.get("full", 0), len(partial), section.get("degree", 0)),
            )
            headers.append(header.ljust(1024, b"\0"))
            bodies.append(body)
        n, m = sum(len(section["records"]) for section in sections), len(sections)
        start = struct.pack("<4B4IHH3f2f", 0, 1, 0, 0, m, m, n, n, level, 0, 0, 0, 0, *sh_range)
        return start.ljust(4096, b"\0") + b"".join(headers) + b"".join(bodies)

    return pack
