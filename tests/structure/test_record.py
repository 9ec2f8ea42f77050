"""A folder is taken up where it was left, and refused otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polyfield.errors import InputError
from polyfield.structure.record import FILE, begin, digest
from polyfield.structure.settings import Settings

SOURCE = Path("photos")


def test_a_new_folder_and_again(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    record = begin(out, SOURCE, "x", Settings())
    assert not record.resumed
    record.save(frames=[1, 2])
    again = begin(out, SOURCE, "x", Settings())
    assert again.resumed
    assert again.values["frames"] == [1, 2]
    again.save(finished=True)
    with pytest.raises(InputError, match=r"b: out: is prepared already \(polyfield train data="):
        begin(out, SOURCE, "x", Settings())


def test_other_settings_photos_or_inputs_are_refused(tmp_path: Path) -> None:
    begin(tmp_path, SOURCE, "x", Settings(max_size=None))
    before = (tmp_path / FILE).read_bytes()
    for source, what, settings, message in (
        (SOURCE, "x", Settings(max_size=100), "unfinished, with max_size=null: found max_size=100"),
        (SOURCE, "x", Settings(single_camera=True), "single_camera=auto: found single_camera=true"),
        (Path("others"), "x", Settings(), "unfinished, with input=.*photos: found input=.*others"),
        (SOURCE, "y", Settings(), "photos: photos: has changed since"),
    ):
        with pytest.raises(InputError, match=message) as error:
            begin(tmp_path, source, what, settings)
        assert "the line that it was begun with resumes it" in str(error.value)
    assert (tmp_path / FILE).read_bytes() == before


def test_folders_that_are_in_use(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").touch()
    with pytest.raises(InputError, match=r"found x\.jpg, expected a new or empty folder"):
        begin(tmp_path, SOURCE, "x", Settings())
    with pytest.raises(InputError, match=r"x\.jpg: out: found a file"):
        begin(tmp_path / "x.jpg", SOURCE, "x", Settings())
    with pytest.raises(InputError, match=r"x\.jpg/y: out: cannot write, found Not a directory"):
        begin(tmp_path / "x.jpg" / "y", SOURCE, "x", Settings())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"finished": false, "settings": 3, "input": 1}'])
def test_a_record_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match=r"prepare\.json: cannot be read"):
        begin(tmp_path, SOURCE, "x", Settings())


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("polyfield.structure.record.replace_json", refuse)
    with pytest.raises(InputError, match="out: cannot write, found Permission denied"):
        begin(tmp_path, SOURCE, "x", Settings())


def test_a_record_is_plain_data(tmp_path: Path) -> None:
    begin(tmp_path, SOURCE, "x", Settings(single_camera=False))
    values = json.loads((tmp_path / FILE).read_text())
    assert values["settings"]["single_camera"] is False
    assert not values["finished"]


def test_a_digest_changes_with_names_and_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = digest([tmp_path / "a"])
    (tmp_path / "a").write_text("22")
    assert digest([tmp_path / "a"]) != first
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "b").write_text("1")
    assert digest([tmp_path / "b"]) != first


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": 2}, "frames: found 2, expected at least 3"),
        ({"matching": "vocab"}, "matching: found vocab, expected auto or exhaustive or sequential"),
        ({"camera": "opencvv"}, "camera: found opencvv"),
        ({"single_camera": 1}, "single_camera: found 1, expected auto or true or false"),
        ({"max_size": 3}, "max_size: found 3, expected at least 64"),
        ({"quality": "best"}, "quality: found best, expected low or medium or high"),
        ({"seed": -1}, "seed: found -1"),
    ],
)
def test_settings_are_checked(values: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**values)
