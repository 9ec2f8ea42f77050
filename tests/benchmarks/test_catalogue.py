"""Every cell of every budget can be asked for: names, modules, arguments, configurations."""

from __future__ import annotations

import importlib
import inspect
import json
import re

import pytest

from polyfield.benchmarks import catalogue
from polyfield.benchmarks.catalogue import SUITES, cells
from polyfield.benchmarks.efforts import BUDGETS
from polyfield.benchmarks.factored_sections import SIZED
from polyfield.benchmarks.targets import EQUAL_STEPS, LEGO_MINUTE, TENSORF, targets
from polyfield.commands.schema import configuration

ALL = [cell for budget in BUDGETS for cell in cells("all", budget)]


@pytest.mark.parametrize("budget", BUDGETS)
def test_names_are_unique_and_names_of_files(budget: str) -> None:
    made = cells("all", budget)
    names = [cell.name for cell in made]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)
    assert made == [cell for suite in SUITES for cell in cells(suite, budget)]
    assert all(cell.suite in SUITES for cell in made)


@pytest.mark.parametrize("cell", {cell.hash: cell for cell in ALL}.values(), ids=lambda c: c.name)
def test_each_module_takes_the_settings_of_its_cells(cell) -> None:  # type: ignore[no-untyped-def]
    needed = {name: "" for name in ("data", "peer") if getattr(cell, name) is not None}
    module = importlib.import_module(f"polyfield.benchmarks.{cell.module}")
    inspect.signature(module.measure).bind(**cell.settings, **needed)
    assert json.loads(json.dumps(cell.settings)) == cell.settings


def test_a_larger_budget_has_the_cells_of_the_smaller_and_more() -> None:
    sizes = [len(cells("all", budget)) for budget in BUDGETS]
    assert sizes == sorted(set(sizes))
    default, full = ({cell.name for cell in cells("all", budget)} for budget in BUDGETS[1:])
    assert default <= full


def test_a_quick_look_is_quick() -> None:
    """Trainings of a minute in all; its other cells repeat milliseconds."""
    trained = 0.0
    for cell in cells("all", "quick"):
        assert "steps" not in cell.settings
        times = len(cell.settings.get("contenders", [None]))
        trained += times * cell.settings.get("seconds", 0.0)
    assert trained < 60


def test_each_field_has_three_sizes() -> None:
    names = [cell.name for cell in cells("factored", "full") if cell.name.startswith("size-")]
    for field in SIZED:
        assert sum(name.startswith(f"size-lego_200-{field}-") for name in names) == 3


def test_the_times_that_are_promised_are_those_of_the_cells() -> None:
    """Minutes of trainings by the clock, and thousands of steps of the others, to a fifth."""
    assert catalogue.__doc__
    for budget, minutes, thousands in (("default", 30, 150), ("full", 120, 500)):
        seconds, steps = 0.0, 0
        for cell in cells("all", budget):
            found = cell.settings
            seconds += len(found.get("contenders", [None])) * found.get("seconds", 0.0)
            steps += len(found.get("turns", [None])) * found.get("steps", 0)
        assert seconds / 60 == pytest.approx(minutes, rel=0.2)
        assert steps / 1000 == pytest.approx(thousands, rel=0.2)
        assert f"{thousands},000 steps" in catalogue.__doc__


def test_trainings_are_of_configurations_that_exist() -> None:
    lines = {tuple(cell.settings["words"]) for cell in ALL if "words" in cell.settings}
    assert ("field=hash",) in lines
    for line in lines:
        config = configuration("data=photos", *line, "trainer.max_seconds=1.0")
        assert config["dataset"]["path"] == "photos"


def test_targets_are_of_cells_that_the_full_budget_measures() -> None:
    from polyfield.benchmarks.book import Book

    full = cells("all", "full")
    names = {cell.name for cell in full}
    assert {EQUAL_STEPS, LEGO_MINUTE, TENSORF} <= names
    found = list(targets(Book(full, {}, {})))
    assert {target.cell for target in found} <= names
    assert sum(target.cell.startswith("step-") for target in found) >= 6
