"""Whether Open3D (Zhou et al. 2018) is here, and loads."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from polyfield.errors import InputError

OPEN3D = "pip install 'polyfield[mesh]'"


@cache
def obstacle() -> str | None:
    """Why Open3D cannot be used, None where it can."""
    try:
        import open3d  # noqa: F401
    except ImportError as error:
        return f"is not installed ({OPEN3D})" if error.name == "open3d" else f"fails: {error}"
    except OSError as error:  # it is linked to libraries that a server may lack
        return f"does not load: {error}"
    # Open3D brings an old TBB, which numba then finds and tells everybody that it does not use.
    warnings.filterwarnings("ignore", message="The TBB threading layer requires TBB")
    return None


def open3d(key: str) -> Any:
    """Open3D; InputError where it cannot be used, naming the key that needs it."""
    if (reason := obstacle()) is not None:
        raise InputError(f"needs Open3D, which {reason}", field=key)
    import open3d as o3d

    o3d.utility.set_verbosity_level(o3d.utility.VerbosityLevel.Error)
    return o3d
