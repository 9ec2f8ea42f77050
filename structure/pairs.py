"""Which photos are compared with which, by their numbers in order."""

from __future__ import annotations

from itertools import combinations

NEIGHBOURS = 10  # on each side
LOOK = 8  # every so many-th photo is compared with all such, to find where a path closes
MANY = 250  # photos of which no longer each is compared with each


def resolve(matching: str, n: int, video: bool) -> str:
    """What "auto" stands for: of n photos, or frames of a video."""
    if matching != "auto":
        return matching
    return "sequential" if video or n > MANY else "exhaustive"


def pairs(matching: str, n: int) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, sorted.

    Sequential are neighbours, those 16, 32, 64 ... apart, and all of every `LOOK`-th.
    """
    if matching == "exhaustive":
        return list(combinations(range(n), 2))
    steps = [*range(1, NEIGHBOURS + 1), *(2**k for k in range(4, n.bit_length()))]
    found = {(i, i + step) for step in steps for i in range(n - step)}
    return sorted(found | set(combinations(range(0, n, LOOK), 2)))
