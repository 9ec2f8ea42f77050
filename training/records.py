"""Curves of a run: `metrics.jsonl` always, tensorboard and wandb when asked for."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyfield.errors import InputError
from polyfield.training.durable import replace_file

FILE = "metrics.jsonl"


class Records:
    """Writes rows of numbers to a run.

    Args:
        run: the run's folder.
        after: rows beyond this step are dropped: a run that goes on from there writes them anew.
        tensorboard: also write event files to `run/tensorboard`.
        wandb: also log to this project.
    """

    def __init__(
        self, run: Path, after: int = 0, *, tensorboard: bool = False, wandb: str | None = None
    ) -> None:
        self.path = run / FILE
        run.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            _drop_beyond(self.path, after)
        self._file = open(self.path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115
        self._events = self._wandb = None
        if tensorboard:
            module = _optional("torch.utils.tensorboard", "tensorboard")
            self._events = module.SummaryWriter(str(run / "tensorboard"), purge_step=after)
        if wandb:
            module = _optional("wandb", "wandb")
            self._wandb = module.init(project=wandb, dir=str(run), name=run.name, resume="allow")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add a row; what is not finite is written as null.

        Raises:
            InputError: when the disk is full.
        """
        row: dict[str, float | None] = {"step": step}
        row.update((k, v if abs(v) < float("inf") else None) for k, v in values.items())
        try:
            self._file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise InputError("cannot write", file=self.path, found=error.strerror) from error
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(dict(values), step=step)

    def close(self) -> None:
        """Flush and close everything."""
        self._file.close()
        if self._events is not None:
            self._events.close()
        if self._wandb is not None:
            self._wandb.finish()


def read_records(run: Path) -> list[dict[str, Any]]:
    """The rows of a run; a last one that was cut short is left out."""
    path = run / FILE
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _drop_beyond(path: Path, step: int) -> None:
    rows = read_records(path.parent)
    kept = [row for row in rows if row["step"] <= step]
    replace_file(path, "".join(json.dumps(row) + "\n" for row in kept).encode())


def _optional(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            field=f"logging.{package}",
            found="not installed",
            expected=f"the package {package}",
            hint="pip install 'polyfield[log]'",
        ) from error
