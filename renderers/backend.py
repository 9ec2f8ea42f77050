"""Whether a field is rendered by one fused operation or an operation at a time."""

from __future__ import annotations

from typing import Literal

from polyfield.errors import InputError
from polyfield.fields.field import RadianceField

Backend = Literal["auto", "fused", "modular"]
BACKENDS = ("auto", "fused", "modular")


def check_backend(backend: str) -> None:
    """Refuse what is no backend."""
    if backend not in BACKENDS:
        raise InputError(field="renderer.backend", found=backend, expected="auto, fused or modular")


def runs_fused(backend: Backend, field: RadianceField) -> bool:
    """Whether a field's part of a batch runs as one fused operation.

    Raises:
        InputError: where that is asked for and the field cannot.
    """
    if backend == "fused" and field.kernels is None:
        raise InputError(
            field="renderer.backend",
            found="fused",
            expected="a field with block functions on a CPU",
        )
    return backend != "modular" and field.kernels is not None
