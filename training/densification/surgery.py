"""The one place where rows of parameters, and what the optimiser knows of them, change places.

Letters: n rows before, m after, f rows that are written anew.

A surgery is an index map: row i of the new parameters begins as a copy of row source[i] of the old
ones. Leaving rows out removes them, naming one twice copies it, and -1 is a row that comes from
none. Moments travel the same way, and are zero where a row is told to forget them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from polyfield.fields.backbone import Replacement
from polyfield.fields.gaussians import NAMES

__all__ = ["NAMES", "Parameters", "rearrange", "resized"]

Parameters = Mapping[str, nn.Parameter]

NOWHERE = -1  # the source of a row that comes from none


@torch.no_grad()
def rearrange(
    parameters: Parameters,
    source: Int[Tensor, " m"],
    *,
    forget: Bool[Tensor, " m"] | None = None,
    rows: Int[Tensor, " f"] | None = None,
    values: Mapping[str, Tensor] | None = None,
) -> tuple[dict[str, nn.Parameter], list[Replacement]]:
    """New parameters whose rows are rows of the old ones, some of them with other values.

    Args:
        parameters: of n rows each, by name.
        source: which old row each new one begins as, 0 to n - 1; -1 for none.
        forget: new rows whose moments are zero; those from nowhere always are.
        rows: new rows that are written, each once.
        values: by name, what is written there, [f, ...]; names left out keep what was copied.

    Returns:
        the new parameters by name, and what took whose place, for `Stepper.follow_growth`.

    Raises:
        ValueError: for an index map that means nothing; none of this can come from a user.
    """
    values = {} if values is None else values
    n = _rows_of(parameters)
    source = source.to(torch.int64)
    _check(parameters, n, source, rows, values)
    forgotten = source == NOWHERE
    if forget is not None:
        forgotten = forgotten | forget
    made: dict[str, nn.Parameter] = {}
    replaced = []
    for name, old in parameters.items():
        data = _gathered(old.detach(), source)
        if rows is not None and name in values:
            data[rows] = values[name].to(data)
        new = nn.Parameter(data, requires_grad=old.requires_grad)
        made[name] = new
        replaced.append(Replacement(old, new, _Carry(source, forgotten)))
    return made, replaced


def resized(parameters: Parameters, n: int) -> dict[str, nn.Parameter]:
    """Parameters of n rows that are about to be loaded; the same ones where they have n already."""
    return {
        name: old
        if len(old) == n
        else nn.Parameter(old.detach().new_zeros(n, *old.shape[1:]), old.requires_grad)
        for name, old in parameters.items()
    }


class _Carry:
    """Moments of the old rows as moments of the new ones."""

    def __init__(self, source: Int[Tensor, " m"], forgotten: Bool[Tensor, " m"]) -> None:
        self.source, self.forgotten = source, forgotten

    def __call__(self, moments: Tensor) -> Tensor:
        carried = _gathered(moments, self.source)
        carried[self.forgotten] = 0
        return carried


def _gathered(old: Tensor, source: Int[Tensor, " m"]) -> Tensor:
    """The rows named by `source`, contiguous, and zero for those from nowhere."""
    nowhere = source == NOWHERE
    if not bool(nowhere.any()):
        return old[source].contiguous()
    new = old.new_zeros(len(source), *old.shape[1:])
    new[~nowhere] = old[source[~nowhere]]
    return new


def _rows_of(parameters: Parameters) -> int:
    counts = {len(parameter) for parameter in parameters.values()}
    if len(counts) != 1:
        shapes = {name: list(parameter.shape) for name, parameter in parameters.items()}
        raise ValueError(f"parameters of one number of rows expected, found {shapes}")
    return counts.pop()


def _check(
    parameters: Parameters,
    n: int,
    source: Tensor,
    rows: Tensor | None,
    values: Mapping[str, Tensor],
) -> None:
    if len(source) and not NOWHERE <= int(source.min()) <= int(source.max()) < n:
        raise ValueError(f"rows {int(source.min())} to {int(source.max())} of {n}")
    if set(values) - set(parameters):
        raise ValueError(f"values of {sorted(values)}, parameters {sorted(parameters)}")
    written = torch.zeros(len(source), dtype=torch.bool, device=source.device)
    if rows is not None:
        written[rows] = True
        for name, value in values.items():
            expected = (len(rows), *parameters[name].shape[1:])
            if tuple(value.shape) != expected:
                raise ValueError(f"{name}: values {list(value.shape)}, expected {list(expected)}")
    if bool((written.logical_not() & (source == NOWHERE)).any()):
        raise ValueError("a row from nowhere must be written")
    if bool((source == NOWHERE).any()) and set(values) != set(parameters):
        raise ValueError("rows from nowhere need values of all parameters")
