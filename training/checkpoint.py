"""Snapshots on disk: safetensors and json, verified when read, whole or absent whatever happens.

    checkpoints/step_000500/model.safetensors      what is rendered
                            optimizer.safetensors  what else training goes on from
                            state.json             step, seconds, versions, checksums

A checkpoint is written under a hidden name, flushed and renamed; an older one of the same step is
set aside until the new one is in place. Nothing is pickled, loading runs no code.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

from polyfield.durable import sync_folder, write_file
from polyfield.errors import InputError
from polyfield.training.snapshot import Snapshot, not_finite
from polyfield.training.tensor_file import pieces
from polyfield.version import __version__

FORMAT = 1
FOLDER = "checkpoints"
MODEL, TRAINING, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
_NAME = re.compile(r"step_(\d+)(\.replaced)?")
_HIDDEN = ".unfinished_"


def save(run: Path, snapshot: Snapshot) -> Path:
    """Write a checkpoint of `snapshot.state["step"]`.

    Returns:
        Its folder.

    Raises:
        InputError: when the disk is full or a tensor holds NaN; what was there before stands.
    """
    folder, step = run / FOLDER, snapshot.state["step"]
    bad = not_finite(snapshot)
    if bad is not None:
        raise InputError(
            "not saved, the checkpoint before stands",
            file=folder,
            field=f"step {step}: {bad}",
            found="NaN or infinity",
            expected="finite numbers",
        )
    hidden = folder / f"{_HIDDEN}{step:06d}"
    final = folder / f"step_{step:06d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{_HIDDEN}*"):
            shutil.rmtree(leftover)
        hidden.mkdir()
        _write(hidden, snapshot)
        replaced = final.with_name(f"{final.name}.replaced")
        if final.exists():
            if replaced.exists():
                _remove(replaced)
            os.rename(final, replaced)
        os.rename(hidden, final)
        sync_folder(folder)
        if replaced.exists():
            _remove(replaced)
    except OSError as error:
        shutil.rmtree(hidden, ignore_errors=True)
        steps = list(listing(run))
        before = f"the one of step {max(steps)} stands" if steps else "there was none before"
        raise InputError(
            "cannot write the checkpoint",
            file=folder,
            field=f"step {step}",
            found=error.strerror or str(error),
            hint=before,
        ) from error
    return final


def load(path: Path, *, training: bool = True) -> Snapshot:
    """Read and verify a checkpoint.

    Args:
        path: its folder, from `resolve`.
        training: whether to read what only training needs.

    Raises:
        InputError: naming the file that is missing, cut short or altered.
    """
    state = read_state(path)
    model = _read_tensors(path / MODEL, state)
    rest = _read_tensors(path / TRAINING, state) if training else {}
    return Snapshot(model, rest, state)


def read_state(path: Path) -> dict[str, Any]:
    """The verified plain data of a checkpoint."""
    file = path / STATE
    try:
        document = json.loads(file.read_bytes())
        state, stated = document["state"], document["sha256"]
    except FileNotFoundError:
        raise _damaged(file, "no such file", "the checkpoint's state") from None
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(file, "damaged json", "the checkpoint's state") from error
    digest = hashlib.sha256(_encode(state)).hexdigest()
    if digest != stated:
        raise _damaged(file, f"sha256 {digest[:12]}", f"{str(stated)[:12]}")
    if state["format"] > FORMAT:
        raise InputError(
            file=file,
            field="format",
            found=state["format"],
            expected=f"up to {FORMAT}",
            hint=f"written by polyfield {state['version']}; this is {__version__}",
        )
    return dict(state)


def listing(run: Path) -> dict[int, Path]:
    """Every complete checkpoint of a run by step, in order."""
    found: dict[int, Path] = {}
    folder = run / FOLDER
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = _NAME.fullmatch(path.name)
        # `step_N` sorts before `step_N.replaced`, which counts only in its absence.
        if match and path.is_dir():
            found.setdefault(int(match[1]), path)
    return dict(sorted(found.items()))


def resolve(run: Path, which: str | int = "latest") -> Path:
    """The folder of a checkpoint: "latest", "best" (by score) or a step.

    Raises:
        InputError: when the run has no such checkpoint.
    """
    found = listing(run)
    if not found:
        raise InputError(
            file=run, found="no checkpoint", expected=f"{FOLDER}/step_N of a training run"
        )
    if which == "latest":
        return found[max(found)]
    if which == "best":
        scores = {step: read_state(path).get("score") for step, path in found.items()}
        scored = {step: score for step, score in scores.items() if score is not None}
        if not scored:
            raise InputError(
                "no checkpoint of this run was evaluated while training",
                file=run,
                field="checkpoint",
                found="best",
                hint="checkpoint=latest, or trainer.eval_every=N when training",
            )
        return found[max(scored, key=lambda step: (scored[step], step))]
    if not str(which).isdigit() or int(which) not in found:
        raise InputError(
            file=run,
            field="checkpoint",
            found=which,
            expected=f"latest, best or one of {', '.join(map(str, found))}",
        )
    return found[int(which)]


def prune(run: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints and the one of the best score."""
    found = listing(run)
    scores = {step: _score(path) for step, path in found.items()}
    best = max(scores, key=lambda step: (scores[step], step), default=None)
    for step in list(found)[:-keep]:
        if step != best or scores[step] == float("-inf"):
            _remove(found[step])


def _score(path: Path) -> float:
    try:
        score = read_state(path).get("score")
    except InputError:
        return float("-inf")
    return float("-inf") if score is None else float(score)


def _write(folder: Path, snapshot: Snapshot) -> None:
    files = {}
    for name, tensors in ((MODEL, snapshot.model), (TRAINING, snapshot.training)):
        digest, size = hashlib.sha256(), 0
        for piece in pieces(tensors):
            digest.update(piece)
            size += len(piece)
        write_file(folder / name, pieces(tensors))
        shapes = {key: list(tensor.shape) for key, tensor in tensors.items()}
        files[name] = {"sha256": digest.hexdigest(), "bytes": size, "shapes": shapes}
    state = {**snapshot.state, "format": FORMAT, "version": __version__, "files": files}
    document = b'{"sha256": "%s",\n"state": %s}\n'
    stated = hashlib.sha256(_encode(state)).hexdigest()
    write_file(folder / STATE, [document % (stated.encode(), _encode(state))])
    sync_folder(folder)


def _encode(state: dict[str, Any]) -> bytes:
    return json.dumps(state, indent=1, sort_keys=True, allow_nan=False).encode()


def _read_tensors(file: Path, state: dict[str, Any]) -> dict[str, Any]:
    stated = state["files"][file.name]
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise _damaged(file, "no such file", f"{stated['bytes']} bytes") from None
    if len(data) != stated["bytes"]:
        raise _damaged(file, f"{len(data)} bytes", f"{stated['bytes']}")
    digest = hashlib.sha256(data).hexdigest()
    if digest != stated["sha256"]:
        raise _damaged(file, f"sha256 {digest[:12]}", f"{stated['sha256'][:12]}")
    try:
        return safetensors.torch.load(data)
    except SafetensorError as error:
        raise _damaged(file, str(error), "a safetensors file") from error


def _damaged(file: Path, found: str, expected: str) -> InputError:
    others = [step for step, path in listing(file.parents[2]).items() if path != file.parent]
    hint = f"others of this run: checkpoint={' or '.join(map(str, others))}" if others else None
    return InputError("damaged checkpoint", file=file, found=found, expected=expected, hint=hint)


def _remove(path: Path) -> None:
    """Remove a folder so that half of it is never visible under its name."""
    hidden = path.with_name(f"{_HIDDEN}{path.name}")
    os.rename(path, hidden)
    shutil.rmtree(hidden)
