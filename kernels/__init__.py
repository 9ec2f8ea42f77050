"""The hot loops, one file per operation, each with a plain torch reference and a numba CPU twin.

`blocks` says how kernels are put together from block functions; `launch` is the one door to them.
"""

from polyfield.kernels.launch import launch

__all__ = ["launch"]
