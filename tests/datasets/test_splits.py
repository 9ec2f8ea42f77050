"""Which images train and which test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfield.datasets.splits import split_images
from polyfield.errors import InputError

NAMES = [f"images/a_{i}.png" for i in range(20)]


def split(rule, names=NAMES, official=None):
    parts = split_images(names, rule, official, Path("data"))
    return {name: part.tolist() for name, part in parts.items()}


def test_every_eighth_tests_by_default():
    assert split("auto")["test"] == [0, 8, 16]


def test_official_splits_come_first_but_yield_to_a_rule():
    official = {"train": [0, 1], "test": [2], "val": [3]}
    assert split("auto", official=official) == official
    assert split("every:10", official=official)["test"] == [0, 10]


@given(st.integers(2, 200), st.integers(2, 300))
def test_every(n, k):
    parts = split(f"every:{k}", [str(i) for i in range(n)])
    assert parts["test"] == list(range(0, n, k))
    assert sorted(parts["train"] + parts["test"]) == list(range(n))


@given(st.integers(2, 200), st.floats(0.01, 1.0))
def test_fraction(n, fraction):
    parts = split(f"fraction:{fraction}", [str(i) for i in range(n)])
    assert sorted(parts["train"] + parts["test"]) == list(range(n))
    assert abs(len(parts["train"]) - n * fraction) <= 1
    gaps = [b - a for a, b in zip(parts["test"], parts["test"][1:])]
    assert not gaps or max(gaps) - min(gaps) <= 1  # spread evenly


def test_text_file_lists_test_images(tmp_path):
    file = tmp_path / "split, (1).txt"
    file.write_text("a_3.png\n\nimages/a_5\n")
    parts = split(f"file:{file}")
    assert parts["test"] == [3, 5]
    assert len(parts["train"]) == 18


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "split.txt").write_text("a_3")
    assert split("file:~/split.txt")["test"] == [3]


def test_json_file_may_leave_images_out(tmp_path):
    file = tmp_path / "split.json"
    file.write_text(json.dumps({"train": ["a_1", "a_2"], "test": ["a_9.png"]}))
    assert split(f"file:{file}") == {"train": [1, 2], "test": [9]}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"test": ["a_99"]}', "a_99"),
        ('{"train": ["a_1"], "test": ["a_1"]}', "1 images in both"),
        ('{"test": "a_1"}', "list"),
        ('{"train": []}', "no images to train on"),
        ("{", "line 1 column 2"),
    ],
)
def test_wrong_split_files(tmp_path, text, part):
    file = tmp_path / "split.json"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        split(f"file:{file}")
    assert part in str(error.value)


def test_a_short_name_must_mean_one_image(tmp_path):
    file = tmp_path / "split.txt"
    file.write_text("a.png")
    with pytest.raises(InputError, match="names 2 images"):
        split(f"file:{file}", names=["left/a.png", "right/a.png"])
    file.write_text("left/a.png")
    assert split(f"file:{file}", names=["left/a.png", "right/a.png"])["test"] == [0]


def test_one_image_trains():
    assert split("auto", ["a"]) == {"train": [0], "test": []}
