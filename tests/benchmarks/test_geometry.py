"""The cell of meshes: what it says of a field that was trained for a moment."""

from __future__ import annotations

import pytest

from polyfield.benchmarks.geometry import measure
from polyfield.export.meshes.open3d_found import obstacle

SMALL = [
    *("field=hash", "field.levels=4", "field.log2_entries=12", "decoder.hidden=[16]"),
    "renderer.occupancy.resolution=16",
]


def test_meshes_of_the_built_in_scene_are_held_against_it() -> None:
    if (reason := obstacle()) is not None:
        pytest.skip(f"Open3D {reason}")
    pytest.importorskip("xatlas", reason="needs xatlas")
    found = measure(SMALL, 2.0, ["fusion", "marching"], 24)
    assert list(found["meshes"]) == ["fusion", "marching"]
    for each in found["meshes"].values():
        assert each["triangles"] > 100
        assert 0 < each["all_f_score"] < 1
        assert 0 < each["chamfer"] < 0.1
    assert 5 < found["texture"]["psnr"] < 60
    assert found["texture"]["worst"] >= found["texture"]["field_psnr"] - found["texture"]["psnr"]
