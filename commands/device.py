"""What `device=auto|cpu|cuda` comes to on this machine."""

from __future__ import annotations

from polyfield.errors import InputError


def choose(name: str) -> str:
    """The device to compute on.

    Raises:
        InputError: for a device that is unknown, absent, or not served by this version.
    """
    if name in ("auto", "cpu"):
        return "cpu"
    if name != "cuda":
        raise InputError(field="device", found=name, expected="auto, cpu or cuda")
    import torch

    if not torch.cuda.is_available():
        reason = "no NVIDIA device or driver" if torch.version.cuda else "torch is a CPU build"
        raise InputError(field="device", found="cuda", expected="cpu or auto", hint=reason)
    hint = "the kernels of this version are for CPUs"
    raise InputError(field="device", found="cuda", expected="cpu or auto", hint=hint)
