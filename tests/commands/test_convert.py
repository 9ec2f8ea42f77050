"""`polyfield convert` and `polyfield info` of files of Gaussians."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from polyfield.splats import Splats
from polyfield.splats.formats import read_splats
from polyfield.splats.ply import write


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """100 Gaussians of degree 2 in `scene.ply`: 3 not finite, 1 without rotation, 5 transparent."""
    draw = np.random.default_rng(0).normal
    means, quats, logits = draw(size=(100, 3)), draw(size=(100, 4)), draw(size=100)
    means[:3, 1], quats[3], logits[3:9] = np.nan, 0, -8
    splats = Splats(
        *(means, quats, draw(size=(100, 3)) - 4, logits, draw(size=(100, 3))),
        sh_rest=0.2 * draw(size=(100, 8, 3)),
    )
    write(splats, tmp_path / "scene.ply")
    return tmp_path / "scene.ply"


@pytest.mark.parametrize("words", [("scene.ply", "b.ply"), ("out=b.ply", "input=scene.ply")])
def test_what_was_dropped_is_said(line: Callable, scene: Path, words: tuple[str, str]) -> None:
    status, said, err = line("convert", *words)
    assert (status, err) == (0, "")
    read, dropped, written = said.splitlines()
    assert "scene.ply: 100 Gaussians of degree 2" in read
    expected = "dropped  9: 3 not finite, 1 without rotation, 5 nearly transparent"
    assert dropped == expected
    size = (scene.parent / "b.ply").stat().st_size
    assert f"b.ply: 91 Gaussians of degree 2, {size / 1000:.3g} kB, {size / 91:.1f} byt" in written
    np.testing.assert_array_equal(read_splats("b.ply").means, read_splats(scene).means[9:])


def test_options(line: Callable, scene: Path) -> None:
    status, said, _ = line("convert", "scene.ply", "b.ply", "degree=1", "keep_transparent=true")
    assert status == 0
    assert "dropped  4: 3 not finite, 1 without rotation\n" in said
    assert len(read_splats("b.ply")) == 96
    assert read_splats("b.ply").degree == 1
    assert line("convert", "b.ply", "b.splat")[0] == 0
    assert line("convert", "b.splat", "c.compressed.ply", "degree=3")[1].count("degree 0") == 2


def test_a_file_is_replaced_only_if_asked(line: Callable, scene: Path) -> None:
    before = scene.read_bytes()
    status, _, err = line("convert", "scene.ply", "scene.ply")
    assert (status, err) == (2, "error: scene.ply: is there already (overwrite=true replaces it)\n")
    assert scene.read_bytes() == before
    status, said, _ = line("convert", "scene.ply", "scene.ply", "overwrite=true")
    assert status == 0
    assert "100 Gaussians" in said
    assert len(read_splats(scene)) == 91
    assert [path.name for path in scene.parent.iterdir()] == ["scene.ply"]


def test_odd_names(line: Callable, scene: Path) -> None:
    scene.rename(scene.with_name("my scene, (1) = é.ply"))
    assert line("convert", "./my scene, (1) = é.ply", "{b: [1]}.splat")[0] == 0
    assert line("convert", "input=my scene, (1) = é.ply", "./a=b.splat")[0] == 0
    assert Path("{b: [1]}.splat").read_bytes() == Path("a=b.splat").read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "input: found none, expected a file: polyfield convert IN OUT"),
        (["scene.ply"], "out: found none, expected a file"),
        (["a.ply", "b.ply", "c.ply"], "too many files, found a.ply, b.ply, c.ply"),
        (["a.ply", "b.ply", "out=c.ply"], "too many files, found a.ply, b.ply"),
        (["gone.ply", "b.ply"], "gone.ply: No such file or directory"),
        (["scene.ply", "b.obj"], "b.obj: expected a name that ends in one of .compressed.ply"),
        (["scene.ply", "b.ksplat"], "b.ksplat: a .ksplat file is only read"),
        (["scene.ply", "gone/b.ply"], "gone: no such folder"),
        (["scene.ply", "b.ply", "degree=4"], "degree: found 4, expected 0, 1, 2 or 3"),
        (["scene.ply", "b.ply", "degree=x"], "degree: found 'x', expected an integer"),
        (["scene.ply", "b.ply", "degre=1"], "no key 'degre'; did you mean 'degree'?"),
        (["scene.ply", "b.ply", "--force"], "no option '--force'"),
        (["short.ply", "b.ply"], "short.ply: element vertex: found"),
        (["faint.ply", "b.ply"], "faint.ply: no Gaussian is left, found 5: 5 nearly transparent"),
    ],
)
def test_mistakes_are_one_line(line: Callable, scene: Path, words: list[str], message: str) -> None:
    (scene.parent / "short.ply").write_bytes(scene.read_bytes()[:-1])
    faint = read_splats(scene)
    rows = slice(4, 9)
    write(
        Splats(*(getattr(faint, name)[rows] for name in list(vars(faint))[:6])),
        scene.parent / "faint.ply",
    )
    status, said, err = line("convert", *words)
    assert (status, said, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not Path("b.ply").exists()


def test_info_of_gaussians(line: Callable, scene: Path) -> None:
    status, said, _ = line("info", "data=scene.ply")
    assert status == 0
    facts = dict(row.split(maxsplit=1) for row in said.splitlines() if len(row.split()) > 1)
    assert (facts["Gaussians"], facts["degree"], facts["format"]) == ("100", "2", "PLY")
    assert "not finite          3" in said
