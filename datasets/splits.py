"""Which images train and which test."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from polyfield.datasets.json_fields import read_json
from polyfield.errors import InputError

EVERY = 8
EXPECTED = "auto, every:K (K at least 2), fraction:F (between 0 and 1) or file:PATH"


def split_images(
    names: Sequence[str], rule: str, official: dict[str, list[int]] | None, source: Path
) -> dict[str, Tensor]:
    """Image numbers by split: "train", "test" and perhaps "val", disjoint.

    Args:
        names: of the n images.
        rule: `auto` takes the official splits, else every 8th image for testing; `every:K` tests on
            images 0, K, 2K, ...; `fraction:F` trains on that part, tests on images spread evenly;
            `file:PATH` reads a file (see `read_split_file`).
        official: what the format itself says.
        source: the data, for errors.
    """
    kind, _, value = str(rule).partition(":")
    n = len(names)
    if kind == "auto" and not value:
        splits = official or _held_out(n, range(0, n, EVERY) if n > 1 else ())
    elif kind == "every":
        every = _number(value, rule)
        if every != int(every) or every < 2:
            raise InputError(field="split", found=rule, expected=EXPECTED)
        splits = _held_out(n, range(0, n, int(every)))
    elif kind == "fraction":
        fraction = _number(value, rule)
        if not 0 < fraction <= 1:
            raise InputError(field="split", found=rule, expected=EXPECTED)
        tests = n - max(1, round(n * fraction))
        splits = _held_out(n, [i * n // tests for i in range(tests)])
    elif kind == "file" and value:
        splits = read_split_file(Path(value).expanduser(), names)
    else:
        raise InputError(field="split", found=rule, expected=EXPECTED)
    splits = _disjoint(splits, source)
    if not splits.get("train"):
        raise InputError(
            "no images to train on", file=source, field="split", found=f"{rule} of {n} images"
        )
    splits = {"train": splits["train"], "test": splits.get("test", []), **splits}
    return {name: torch.tensor(part, dtype=torch.int64) for name, part in splits.items()}


def _disjoint(splits: dict[str, list[int]], source: Path) -> dict[str, list[int]]:
    """The splits, each image once. What tests must not train; what validates may test as well."""
    train, test = set(splits.get("train", ())), set(splits.get("test", ()))
    val = set(splits.get("val", ())) - test
    if train & (test | val):
        raise InputError(
            "images both trained and tested on",
            file=source,
            field="split",
            found=f"{len(train & (test | val))} images in both",
            expected="disjoint splits",
        )
    parts = {"train": train, "test": test, "val": val}
    return {name: sorted(part) for name, part in parts.items() if name in splits}


def read_split_file(path: Path, names: Sequence[str]) -> dict[str, list[int]]:
    """Splits from a file.

    Either JSON, `{"train": [names], "test": [names], "val": [names]}` where images that are not
    listed are left out, or text with the name of one test image per line, where all others train.
    Names are as the data gives them; the file's name, or that without its extension, will do where
    it means one image only.
    """
    if path.suffix.lower() == ".json":
        record = read_json(path)
        listed = {key: record.texts(key) for key in ("train", "test", "val") if key in record}
    else:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError("cannot be read", file=path, field="split", found=reason) from None
        listed = {"test": [line.strip() for line in lines if line.strip()]}
    numbers = _lookup(names)
    splits: dict[str, list[int]] = {}
    for split, members in listed.items():
        splits[split] = []
        for name in members:
            matches = numbers.get(name, [])
            if len(matches) != 1:
                raise InputError(
                    file=path,
                    field=split,
                    found=f"{json.dumps(name)}, which names {len(matches)} images",
                    expected="the name of one image",
                )
            splits[split].append(matches[0])
    return with_train(splits, len(names))


def with_train(splits: dict[str, list[int]], n: int) -> dict[str, list[int]]:
    """Splits of n images; where "train" is not listed, it has those that no other has."""
    if "train" in splits:
        return splits
    held = {i for part in splits.values() for i in part}
    return {"train": [i for i in range(n) if i not in held], **splits}


def _lookup(names: Sequence[str]) -> dict[str, list[int]]:
    """Image numbers by what a user may call an image."""
    numbers: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        path = PurePosixPath(name)
        for alias in {name, str(path), str(path.with_suffix("")), path.name, path.stem}:
            numbers.setdefault(alias, []).append(i)
    return numbers | {name: [i] for i, name in enumerate(names)}


def _held_out(n: int, tests: Sequence[int] | range) -> dict[str, list[int]]:
    chosen = set(tests)
    return {"train": [i for i in range(n) if i not in chosen], "test": sorted(chosen)}


def _number(text: str, rule: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(field="split", found=rule, expected=EXPECTED)
    return number
