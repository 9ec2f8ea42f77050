"""The whole state of a training as tensors and plain data: what is saved, restored and compared.

`model` is what is rendered: the module's state dict, with averaged parameters where the run
averages. `training` is what else the next step needs: `parameter/NAME` (the parameters before
averaging), `optimizer/NAME/KEY` and `generator`. `state` is plain data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.training.averaging import Average, averaged_tensors
from polyfield.training.task import Task

SHOWN = 6  # tensors named in a mismatch


@dataclass
class Snapshot:
    """See the module's docstring; the tensors are copies on the CPU."""

    model: dict[str, Tensor]
    training: dict[str, Tensor] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class Structured(Protocol):
    """A module whose tensors have shapes that follow from no setting."""

    def take_structure(self, tensors: Mapping[str, Tensor]) -> None:
        """Make room for saved tensors of this module, named as in its own state dict."""
        ...


def capture(
    task: Task,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    average: Average | None,
) -> Snapshot:
    """Copy everything that the next step depends on."""
    model = {name: _copy(tensor) for name, tensor in task.module.state_dict().items()}
    training = {"generator": generator.get_state()}
    scalars: dict[str, Any] = {}
    names = _names(task.module)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            for key, value in optimizer.state.get(parameter, {}).items():
                path = f"optimizer/{names[parameter]}/{key}"
                if isinstance(value, Tensor):
                    training[path] = _copy(value)
                else:
                    scalars[path] = value
    state: dict[str, Any] = {"task": task.state(), "optimizer": scalars}
    if average is not None:
        state["updates"] = average.updates
        for name, value in average.values.items():
            training[f"parameter/{name}"] = model[name]
            model[name] = _copy(value)
    return Snapshot(model, training, state)


def restore_model(task: Task, snapshot: Snapshot, file: Path | None = None) -> None:
    """Give a task the snapshot's shapes, buffers and (averaged) parameters.

    Raises:
        InputError: naming the tensors that the task lacks, has too many or has in other shapes.
    """
    for name, part in task.module.named_modules():
        if isinstance(part, Structured):
            own = f"{name}." if name else ""
            saved = {k: v for k, v in snapshot.model.items() if k.startswith(own)}
            part.take_structure({k.removeprefix(own): v for k, v in saved.items()})
    task.load_state(snapshot.state["task"])
    expected = task.module.state_dict()
    check_shapes(snapshot.model, expected, file)
    task.module.load_state_dict(snapshot.model)


def restore_training(
    task: Task,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    average: Average | None,
    snapshot: Snapshot,
) -> None:
    """After `restore_model`, with an optimiser made since: everything else."""
    saved = snapshot.training
    names = _names(task.module)
    averaged = any(name.startswith("parameter/") for name in saved)
    if average is not None:
        average.updates = snapshot.state.get("updates", 0)
        average.values = {
            name: snapshot.model[name].clone() for name in averaged_tensors(task.module)
        }
    if averaged:
        with torch.no_grad():
            for name, tensor in averaged_tensors(task.module).items():
                tensor.copy_(saved[f"parameter/{name}"])
    parameters = {name: parameter for parameter, name in names.items()}
    scalars = snapshot.state["optimizer"]
    for path, value in {**saved, **scalars}.items():
        if not path.startswith("optimizer/"):
            continue
        name, key = path.removeprefix("optimizer/").rsplit("/", 1)
        if isinstance(value, Tensor):
            # Counters live on the CPU, moments beside their parameter.
            value = value.clone() if value.ndim == 0 else value.to(parameters[name].device).clone()
        optimizer.state[parameters[name]][key] = value
    generator.set_state(saved["generator"])


def check_shapes(
    found: Mapping[str, Tensor], expected: Mapping[str, Tensor], file: Path | None
) -> None:
    """Compare the tensors of a file with those that a module has.

    Raises:
        InputError: one line, tensor by tensor.
    """
    parts = []
    for name in [*expected, *(name for name in found if name not in expected)]:
        shapes = [list(side[name].shape) if name in side else "none" for side in (found, expected)]
        if shapes[0] != shapes[1]:
            parts.append(f"{name}: found {shapes[0]}, expected {shapes[1]}")
    if parts:
        rest = f"; and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
        raise InputError(
            f"of another architecture: {'; '.join(parts[:SHOWN])}{rest}",
            file=file,
            hint="it was made with other settings",
        )


def not_finite(snapshot: Snapshot) -> str | None:
    """The name of a tensor that holds NaN or infinity, if one does."""
    for name, tensor in {**snapshot.model, **snapshot.training}.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            return name
    return None


def _names(module: nn.Module) -> dict[nn.Parameter, str]:
    return {parameter: name for name, parameter in module.named_parameters()}


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()
