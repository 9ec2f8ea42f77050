"""A run as a folder: what it was made from, and the way back to a task that can be rendered.

config.yaml    plain data, paths made absolute
scene.json     cameras, splits and frames of the data, so that a run can be shown without it; of a
               signal, signal.json
checkpoints/   see `checkpoint`
metrics.jsonl  see `records`
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from polyfield.datasets.detect import check_readable
from polyfield.durable import replace_file
from polyfield.errors import InputError
from polyfield.training import checkpoint
from polyfield.training.assembly import build_task
from polyfield.training.catalogue import Data, load_data, task_kind
from polyfield.training.snapshot import restore_model
from polyfield.training.task import Task

CONFIG = "config.yaml"


def create_run(run: Path | str, config: Mapping[str, Any], data: Data | None = None) -> Path:
    """Begin a run in an empty or new folder.

    Args:
        run: the folder.
        config: plain data; `trust` is left out, as it is not for a folder to say.
        data: recorded beside it.

    Raises:
        InputError: when the folder is in use or cannot be written; it is left as it was.
    """
    run = Path(run)
    made = _first_missing(run)
    try:
        if run.is_file() or (run.is_dir() and any(run.iterdir())):
            raise InputError(
                file=run,
                field="run",
                found="a file" if run.is_file() else "a folder that is in use",
                expected="a new folder",
                hint=f"resume={run} goes on with a run",
            )
        run.mkdir(parents=True, exist_ok=True)
        try:
            if data is not None:
                task_kind(config).write(run, data)
            write_config(run, config)
        except BaseException:
            _clear(run, made)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError("cannot begin a run here", file=run, found=reason) from error
    return run


@contextmanager
def new_run(run: Path, config: Mapping[str, Any], data: Data) -> Iterator[None]:
    """A run as `create_run` begins it; if what is done inside fails before there is a checkpoint,
    nothing is left of it.
    """
    made = _first_missing(run)
    create_run(run, config, data)
    try:
        yield
    except BaseException:
        if not checkpoint.listing(run):
            _clear(run, made)
        raise


@contextmanager
def resumed_run(run: Path, config: Mapping[str, Any]) -> Iterator[None]:
    """A run with another configuration; if what is done inside fails before there is a further
    checkpoint, it has its old one.
    """
    before, steps = (run / CONFIG).read_bytes(), set(checkpoint.listing(run))
    write_config(run, config)
    try:
        yield
    except BaseException:
        if set(checkpoint.listing(run)) <= steps:
            replace_file(run / CONFIG, before)
        raise


def _first_missing(folder: Path) -> Path | None:
    """The outermost of the folders that have to be made for this one to be there."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    return missing[-1] if missing else None


def _clear(run: Path, made: Path | None) -> None:
    """Remove everything in a run; and its folder and those around it, as far as they were made."""
    for path in run.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for folder in (run, *run.parents) if made is not None else ():
        try:
            folder.rmdir()
        except OSError:  # another job of a sweep is in it
            return
        if folder == made:
            return


def write_config(run: Path, config: Mapping[str, Any]) -> None:
    """Write, or atomically replace, the configuration of a run."""
    plain = {key: value for key, value in config.items() if key != "trust"}
    plain["data"] = _absolute(plain.get("data"))
    if isinstance(plain.get("dataset"), Mapping):
        dataset = dict(plain["dataset"])
        dataset["path"] = _absolute(dataset.get("path"))
        kind, _, file = str(dataset.get("split")).partition(":")
        if kind == "file":
            dataset["split"] = f"file:{_absolute(file)}"
        plain["dataset"] = dataset
    for node, key in (("field", "points"), ("task", "init_from")):
        if isinstance(plain.get(node), Mapping) and plain[node].get(key):
            plain[node] = {**plain[node], key: _absolute(plain[node][key])}
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    replace_file(run / CONFIG, text.encode())


def read_config(run: Path | str) -> dict[str, Any]:
    """The configuration of a run.

    Raises:
        InputError: when this is no run, or its configuration is damaged.
    """
    run = Path(run)
    file = run / CONFIG
    if not file.is_file():
        found = "no such folder" if not run.is_dir() else f"no {CONFIG}"
        raise InputError(file=run, field="run", found=found, expected="the folder of a run")
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = None if mark is None else f"line {mark.line + 1}"
        raise InputError(file=file, field=where, found="damaged yaml") from error
    if not isinstance(config, dict):
        raise InputError(file=file, found=type(config).__name__, expected="a configuration")
    config.pop("trust", None)
    return config


def open_run(
    run: Path | str,
    which: str | int = "latest",
    *,
    trust: Iterable[str] = (),
    data: Path | str | None = None,
    recorded: bool = False,
) -> tuple[dict[str, Any], Any, Task]:
    """A run's configuration, its data (a scene or a signal), and its task as a checkpoint has it.

    Args:
        run: the folder.
        which: "latest", "best" or a step.
        trust: packages besides polyfield whose classes the configuration may name.
        data: where the data lies now, if it was moved.
        recorded: whether what the run remembers of its data is enough, which has no samples; where
            the data lies, and whether it has changed, is then of no matter.

    Raises:
        InputError: for a run, checkpoint or data that is missing or damaged.
    """
    run = Path(run)
    config = {**_anywhere(read_config(run)), "trust": list(trust)}
    if data is not None:
        check_readable(Path(data))
        config["data"] = str(data)
        config["dataset"] = {**(config.get("dataset") or {}), "path": str(data)}
    path = checkpoint.resolve(run, which)
    snapshot = checkpoint.load(path, training=False)
    record = task_kind(config).read(run) if recorded else None
    learned = open_data(run, config) if record is None else record
    task = build_task(config, learned)
    restore_model(task, snapshot, path / checkpoint.MODEL)
    task.module.eval()
    return config, learned, task


def _anywhere(config: dict[str, Any]) -> dict[str, Any]:
    """Without what the machine had that trained, and another need not have."""
    renderer = config.get("renderer")
    if isinstance(renderer, Mapping) and renderer.get("backend") == "gsplat":
        return {**config, "renderer": {**renderer, "backend": "auto"}}
    return config


def open_data(run: Path, config: Mapping[str, Any]) -> Any:
    """The data of a run; where it is gone, its record, whose samples cannot be read.

    Raises:
        InputError: when the data is no longer what the run was trained on.
    """
    kind = task_kind(config)
    recorded = kind.read(run)
    path = str((config.get("dataset") or {}).get("path") or config.get("data"))
    is_gone = Path(path).is_absolute() and not Path(path).exists()
    if recorded is not None and is_gone:
        return recorded
    data = load_data(config)
    if recorded is not None:
        kind.check(data, recorded)
    return data


def _absolute(path: Any) -> Any:
    """A path that exists, from the root; anything else (`procedural`, None) as it is."""
    if not isinstance(path, str) or not Path(path).expanduser().exists():
        return path
    return str(Path(path).expanduser().resolve())
