"""Templates and their block functions: names that follow the sources, a disk cache that is hit."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import polyfield.kernels.blocks as blocks
from polyfield.kernels.blocks import specialise, variant

BLOCK_SOURCE = """
from polyfield.kernels.blocks import block

@block
def encode(x):
    return {factor} * x
"""

encode: Any = None
FACTOR = 1.0


def _template(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        out[i] = encode(x[i])


def scaled(x):  # type: ignore[no-untyped-def]
    return FACTOR * x


def relayed(x):  # type: ignore[no-untyped-def]
    return encode(x)


def load(folder: Path, name: str, factor: float) -> ModuleType:
    """A module with a block function `encode`, as a backbone of somebody else's would have."""
    path = folder / f"{name}.py"
    path.write_text(BLOCK_SOURCE.format(factor=factor))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name_of(dispatcher: Any) -> str:
    return dispatcher.py_func.__qualname__


def applied(function: Any) -> float:
    """What a template made with this block function makes of 1."""
    out = np.zeros(1)
    specialise(_template, parallel=False, encode=function)(np.ones(1), out)
    return float(out[0])


def test_a_template_runs_the_block_that_it_is_bound_to() -> None:
    assert applied(variant(scaled, FACTOR=2.0)) == 2.0
    assert applied(variant(scaled, FACTOR=3.0)) == 3.0
    assert FACTOR == 1.0
    assert variant(scaled, FACTOR=2.0) is variant(scaled, FACTOR=2.0)


def test_the_same_pair_is_compiled_once_and_others_have_other_names() -> None:
    two, three = variant(scaled, FACTOR=2.0), variant(scaled, FACTOR=3.0)
    first = specialise(_template, parallel=False, encode=two)
    assert specialise(_template, parallel=False, encode=two) is first
    names = {
        name_of(specialise(_template, parallel=False, encode=two)),
        name_of(specialise(_template, parallel=False, encode=three)),
        name_of(specialise(_template, encode=two)),
        name_of(specialise(_template, encode=two, FACTOR=1.0)),
        name_of(specialise(_template, encode=two, FACTOR=2.0)),
    }
    assert len(names) == 5


def test_a_name_follows_the_source_of_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for factor in (2.0, 2.0, 5.0):
        monkeypatch.setattr(blocks, "_compiled", {})  # as in another process
        blocks._file_digest.cache_clear()
        module = load(tmp_path, "somebodys_backbone", factor)
        names.append(name_of(specialise(_template, parallel=False, encode=module.encode)))
    assert names[0] == names[1] != names[2]


def test_blocks_of_one_name_in_two_modules_are_told_apart(tmp_path: Path) -> None:
    """Every backbone calls its block `encode`; the variants made from it must not be shared."""
    first = load(tmp_path, "first_backbone", 2.0)
    second = load(tmp_path, "second_backbone", 7.0)
    assert applied(first.encode) == 2.0
    assert applied(second.encode) == 7.0
    assert applied(variant(relayed, encode=first.encode)) == 2.0
    assert applied(variant(relayed, encode=second.encode)) == 7.0


PROGRAM = """
import json, torch
from polyfield.fields import HashGrid
from polyfield.kernels import encode, links
from polyfield.kernels.blocks import specialise

grid = HashGrid(2, 1, 4, 2, 4, in_dim=1)
with torch.no_grad():
    out = grid(torch.linspace(0, 1, 5)[:, None])
run = specialise(encode._forward)
hits, misses = (sum(n.values()) for n in (run.stats.cache_hits, run.stats.cache_misses))
linked = [made.cache_hits for made in links._compiled.values()]
print(json.dumps([hits, misses, linked, run.py_func.__qualname__]))
"""


def test_a_second_process_finds_the_compiled_kernel_on_disk(tmp_path: Path) -> None:
    """With a block that is itself a variant: the recipe's hard case."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    seen = []
    for _ in range(2):
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        seen.append(json.loads(result.stdout))
    files = sorted(tmp_path.rglob("*.nbc"))
    assert seen[0][:3] == [0, 1, [0]]
    assert seen[1][:3] == [1, 0, [1]]
    assert seen[0][3] == seen[1][3]
    assert len(files) == 2  # the template, and the block that it calls by address
