"""How much memory a surface takes at a resolution, and how much there is.

What is kept is what lies near the surface: it grows with the square of the resolution.
"""

from __future__ import annotations

import os
from pathlib import Path

from polyfield.errors import InputError

BLOCK_BYTES = 24_000  # of a block that the surface runs through: values, slots, vertices, faces
SHARE = 0.6  # of the memory that is free


def free_memory() -> int:
    """Bytes that this process may still take."""
    limits = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvail")]
    except (OSError, ValueError, IndexError):
        pass
    try:
        group = Path("/sys/fs/cgroup")
        most, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        limits.append(int(most) - int(used))
    except (OSError, ValueError):  # no such limit
        pass
    if not limits and hasattr(os, "sysconf"):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    return max(min(limits, default=1 << 32), 0)


def check_room(blocks: int, resolution: int, free: int | None = None) -> None:
    """InputError, naming a resolution that fits, where blocks take more memory than there is.

    Args:
        blocks: that are to be kept at the resolution.
        free: bytes; None for what there is now.
    """
    needed = blocks * BLOCK_BYTES
    room = SHARE * (free_memory() if free is None else free)
    if needed <= room:
        return
    fits = max(int(0.95 * resolution * (room / needed) ** 0.5), 1)
    raise InputError(
        "more than fits into memory",
        field="resolution",
        found=f"{resolution:,}, about {needed / 1e9:,.1f} GB",
        expected=f"{fits:,} or less, {room / 1e9:,.1f} GB",
    )
