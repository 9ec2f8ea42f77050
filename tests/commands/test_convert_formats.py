"""`polyfield convert` from any format into any other: what each keeps, and what is dropped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from polyfield.splats import Splats, antimatter
from polyfield.splats.activations import colors_of_dc, opacities
from polyfield.splats.formats import read_splats, write_splats
from polyfield.splats.morton import morton_order

# The most that writing takes from places, log-scales (from -10 on), colours in [0,1], harmonics,
# and from rotations in radians. Opacities lose half of 1/255 at most.
LOST = {
    ".ply": (0, 0, 0, 0, 1e-6),
    ".compressed.ply": (3e-3, 6e-3, 0.005, 0.5 / 32, 0.005),
    ".splat": (0, 1e-6, 0.5 / 255, 0, 0.02),
    ".spz": (0.5 / 4096, 1 / 32, 0.0037, 4.5 / 128, 0.006),
    ".glb": (0, 3e-6, 0, 0, 1e-6),
    ".sog": (2e-4, 0.2, 0.03, 0.05, 0.025),
}


@pytest.fixture(scope="module")
def lattice() -> Splats:
    """64 Gaussians of degree 1, of which no two are neighbours by mistake."""
    rng = np.random.default_rng(0)
    places = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)
    return Splats(
        means=places - 1.5 + rng.uniform(-0.2, 0.2, (64, 3)),
        quats=rng.normal(size=(64, 4)),
        log_scales=rng.uniform(-7, -1, (64, 3)),
        opacity_logits=rng.uniform(-4, 4, 64),
        sh_dc=rng.uniform(-1.7, 1.7, (64, 3)),
        sh_rest=rng.uniform(-0.8, 0.8, (64, 3, 3)),
    )


def check_kept(found: Splats, was: Splats, suffix: str) -> None:
    """Fail where row by row more is lost than a format may."""
    means, logs, colors, rest, turn = LOST[suffix]
    tiny = 2e-6
    assert np.abs(found.means - was.means).max() <= means + tiny
    ours, theirs = (np.clip(s.log_scales, -10, 5.9375) for s in (found, was))
    assert np.abs(ours - theirs).max() <= logs + tiny
    ours, theirs = (np.clip(colors_of_dc(s.sh_dc), 0, 1) for s in (found, was))
    assert np.abs(ours - theirs).max() <= colors + tiny
    apart = opacities(found.opacity_logits) - opacities(was.opacity_logits)
    assert np.abs(apart).max() <= 0.5 / 255 + tiny
    k = found.sh_rest.shape[1]
    assert np.abs(found.sh_rest - was.sh_rest[:, :k]).max(initial=0) <= rest + tiny
    units = [s.quats / np.linalg.norm(s.quats.astype(float), axis=1)[:, None] for s in (found, was)]
    chords = np.minimum(*(np.linalg.norm(units[0] + s * units[1], axis=1) for s in (1, -1)))
    assert 4 * np.arcsin(chords.max() / 2) <= turn + tiny


@pytest.mark.parametrize("source", LOST)
def test_any_into_any(line: Callable, lattice: Splats, tmp_path: Path, source: str) -> None:
    write_splats(lattice, tmp_path / f"a{source}")
    was = read_splats(tmp_path / f"a{source}")
    for suffix in LOST:
        status, said, err = line("convert", f"a{source}", f"b{suffix}", "overwrite=true")
        assert (status, err) == (0, ""), suffix
        assert "dropped  none" in said
        found = read_splats(tmp_path / f"b{suffix}")
        place = cKDTree(was.means).query(found.means)[1]
        assert sorted(place) == [*range(64)]
        assert found.degree == (0 if ".splat" in (source, suffix) else 1)
        rows = Splats(*(getattr(was, name)[place] for name in list(vars(was))[:6]))
        check_kept(found, rows, suffix)


@pytest.mark.parametrize("suffix", [suffix for suffix in LOST if suffix != ".ply"])
def test_the_guitar_there_and_back(
    line: Callable, shared_data: Callable, tmp_path: Path, suffix: str
) -> None:
    source = shared_data("splats/guitar_30k.ply")
    words = (f"b{suffix}", "keep_transparent=true")
    assert line("convert", str(source), *words)[0] == 0
    guitar, found = read_splats(source), read_splats(f"b{suffix}")
    order = np.arange(30_000)
    if suffix in (".compressed.ply", ".sog"):
        order = morton_order(guitar.means)
    elif suffix == ".splat":
        order = antimatter.order_of_loading(guitar)
    rows = Splats(*(getattr(guitar, name)[order] for name in list(vars(guitar))[:6]))
    check_kept(found, rows, suffix)
    assert line("convert", f"b{suffix}", "c.ply", "keep_transparent=true")[0] == 0
    check_kept(read_splats("c.ply"), found, ".ply")
    for name in ("means", "log_scales", "opacity_logits", "sh_dc"):
        np.testing.assert_array_equal(
            getattr(read_splats("c.ply"), name), getattr(read_splats(f"b{suffix}"), name)
        )


@pytest.mark.parametrize("suffix", list(LOST))
def test_a_file_of_another_kind_is_named(
    line: Callable, lattice: Splats, tmp_path: Path, suffix: str
) -> None:
    """Renamed, a file of any format is answered with what it is."""
    nouns = {".spz": "an SPZ file", ".glb": "a glTF binary", ".sog": "an SOG file"}
    for real, noun in nouns.items():
        if real == suffix:
            continue
        write_splats(lattice, tmp_path / f"a{real}")
        (tmp_path / f"a{real}").replace(tmp_path / f"a{suffix}")
        status, _, err = line("convert", f"a{suffix}", "b.ply")
        assert (status, err.count("\n")) == (2, 1)
        assert f"a{suffix}: found {noun}" in err
        assert f"rename it to end in {real}" in err
