"""Curves of a run: `metrics.jsonl` always, tensorboard and wandb when asked for."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyfield.durable import replace_file
from polyfield.errors import InputError

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
        events = _optional("torch.utils.tensorboard", "tensorboard") if tensorboard else None
        project = _optional("wandb", "wandb") if wandb else None
        self.path = run / FILE
        run.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            _drop_beyond(self.path, after)
        self._events = self._wandb = None
        self._failed = False
        self._file = open(self.path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115
        try:
            if events is not None:
                self._events = events.SummaryWriter(str(run / "tensorboard"), purge_step=after)
            if project is not None:
                name = run.resolve().name
                self._wandb = project.init(project=wandb, dir=str(run), name=name, resume="allow")
        except BaseException:
            self.close()
            raise

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
            self._failed = True
            raise self._cannot_write(error) from error
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(dict(values), step=step)

    def close(self) -> None:
        """Flush and close everything.

        Raises:
            InputError: when the disk is full, and no `write` said so before.
        """
        try:
            self._file.close()
        except OSError as error:
            if not self._failed:
                raise self._cannot_write(error) from error
        finally:
            if self._events is not None:
                self._events.close()
            if self._wandb is not None:
                self._wandb.finish()

    def _cannot_write(self, error: OSError) -> InputError:
        return InputError("cannot write", file=self.path, found=error.strerror or error)


def read_records(run: Path) -> list[dict[str, Any]]:
    """The rows of a run, up to one that is damaged or was cut short."""
    path = run / FILE
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            break
        rows.append(row)
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
