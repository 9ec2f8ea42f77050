"""The PLY of 3DGS: bytes as the original code writes them, and any PLY that says the same."""

from __future__ import annotations

import re
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyfield.errors import InputError
from polyfield.splats import Splats, ply
from polyfield.splats.ply_file import BLOCK

HEADER = b"""ply
format binary_little_endian 1.0
element vertex 2
property float x
property float y
property float z
property float nx
property float ny
property float nz
property float f_dc_0
property float f_dc_1
property float f_dc_2
property float f_rest_0
property float f_rest_1
property float f_rest_2
property float f_rest_3
property float f_rest_4
property float f_rest_5
property float f_rest_6
property float f_rest_7
property float f_rest_8
property float opacity
property float scale_0
property float scale_1
property float scale_2
property float rot_0
property float rot_1
property float rot_2
property float rot_3
end_header
"""
# x y z | normals | f_dc | f_rest: red, green, blue | opacity | scale | rot
ROWS = [
    *([1, 2, 3], [0, 0, 0], [0.5, 0.25, -0.5], [11, 12, 13, 21, 22, 23, 31, 32, 33]),
    *([-2], [-3, -4, -5], [1, 0, 0, 0]),
    *([-1, -2, -3], [0, 0, 0], [0, 1, 2], [-11, -12, -13, -21, -22, -23, -31, -32, -33]),
    *([4], [-1, -2, -3], [0, 0.5, 0, 2]),
]
BY_HAND = HEADER + struct.pack("<52f", *(number for part in ROWS for number in part))
SPLATS = Splats(
    means=np.array([[1, 2, 3], [-1, -2, -3]]),
    quats=np.array([[1, 0, 0, 0], [0, 0.5, 0, 2]]),
    log_scales=np.array([[-3, -4, -5], [-1, -2, -3]]),
    opacity_logits=np.array([-2, 4]),
    sh_dc=np.array([[0.5, 0.25, -0.5], [0, 1, 2]]),
    sh_rest=np.array([1, -1])[:, None, None] * [[11, 21, 31], [12, 22, 32], [13, 23, 33]],
)
NAMES = re.findall(r"float (\w+)", HEADER.decode())
VALUES = np.frombuffer(BY_HAND[len(HEADER) :], "<f4").reshape(2, -1)


def encoded(names: list[str], kinds: dict[str, str], encoding: str) -> bytes:
    """The two Gaussians with these columns; `extra` ones hold 7."""
    column = {name: VALUES[:, NAMES.index(name)] if name in NAMES else [7, 7] for name in names}
    lines = [f"property {kinds.get(name, 'float')} {name}" for name in names]
    head = ["ply", f"format {encoding} 1.0", "comment élan", "obj_info of nothing"]
    head += ["element camera 2", "property uchar a", "property double b", "element vertex 2"]
    head += [*lines, "element face 1", "property list uchar int vertex_indices", "end_header"]
    text = "\n".join([*head, ""]).encode()
    if encoding == "ascii":
        rows = [" ".join(str(column[name][i]) for name in names) for i in range(2)]
        return text + "\n".join(["1 2.5", "1 2.5", *rows, "3 0 1 1", ""]).encode()
    order = "<" if "little" in encoding else ">"
    codes = {"float": "f", "double": "d", "uchar": "B"}
    data = 2 * struct.pack(f"{order}Bd", 1, 2.5)
    for i in range(2):
        for name in names:
            kind = codes[kinds.get(name, "float")]
            value = column[name][i]
            data += struct.pack(order + kind, int(value) if kind == "B" else float(value))
    return text + data + struct.pack(f"{order}B3i", 3, 0, 1, 1)


def test_bytes_are_those_of_the_original_code(tmp_path: Path, check_equal: Callable) -> None:
    ply.write(SPLATS, tmp_path / "a.ply")
    assert (tmp_path / "a.ply").read_bytes() == BY_HAND
    check_equal(ply.read(tmp_path / "a.ply"), SPLATS)


def test_normals_may_be_left_out(tmp_path: Path, check_equal: Callable) -> None:
    file = tmp_path / "a.ply"
    ply.write(SPLATS, file, normals=False)
    assert b" nx\n" not in file.read_bytes()
    assert file.stat().st_size == len(BY_HAND) - 3 * 2 * 4 - len("property float nx\n") * 3
    check_equal(ply.read(file), SPLATS)


def test_the_mip_filter_is_noted(tmp_path: Path) -> None:
    marked = Splats(**{**vars(SPLATS), "antialiased": True})
    ply.write(marked, tmp_path / "a.ply")
    assert ply.read(tmp_path / "a.ply").antialiased


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 40), st.integers(0, 3), st.integers(0, 2**32 - 1), st.booleans())
def test_every_bit_comes_back(
    tmp_path: Path, check_equal: Callable, n: int, degree: int, seed: int, normals: bool
) -> None:
    k = (degree + 1) ** 2 - 1
    bits = np.random.default_rng(seed).integers(0, 1 << 32, (n, 14 + 3 * k), np.uint32)
    table = bits.view(np.float32)  # NaN, infinities and the smallest numbers among them
    splats = Splats(
        *(table[:, :3], table[:, 3:7], table[:, 7:10], table[:, 10], table[:, 11:14]),
        sh_rest=table[:, 14:].reshape(n, k, 3),
    )
    ply.write(splats, tmp_path / "a.ply", normals)
    check_equal(ply.read(tmp_path / "a.ply"), splats)


def test_more_rows_than_are_read_at_once(
    tmp_path: Path, gaussians: Callable, check_equal: Callable
) -> None:
    splats = gaussians(n=2 * BLOCK // (17 * 4) + 5)
    ply.write(splats, tmp_path / "a.ply")
    check_equal(ply.read(tmp_path / "a.ply"), splats)


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("mixed", [False, True], ids=["floats", "mixed"])
def test_any_order_type_and_encoding(
    tmp_path: Path, check_equal: Callable, encoding: str, mixed: bool
) -> None:
    names = [*reversed(NAMES), "extra", "more"]
    kinds = {"extra": "uchar", "x": "double", "opacity": "double"} if mixed else {}
    (tmp_path / "a.ply").write_bytes(encoded(names, kinds, encoding))
    check_equal(ply.read(tmp_path / "a.ply"), SPLATS)


@pytest.mark.parametrize("end", [b"\r\n", b" \n"])
def test_other_line_ends(tmp_path: Path, check_equal: Callable, end: bytes) -> None:
    start = HEADER.replace(b"\n", end).replace(b"ply \n", b"ply\n")
    (tmp_path / "a.ply").write_bytes(start + BY_HAND[len(HEADER) :])
    check_equal(ply.read(tmp_path / "a.ply"), SPLATS)


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian"])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "a.ply"
    whole = encoded(NAMES, {}, encoding)
    # The faces behind the Gaussians, and the last digits of a text, are not missed.
    end = whole.rindex(b"\n", 0, -10) - 4 if encoding == "ascii" else len(whole) - 13
    for size in [*range(0, end, 11), *range(end - 20, end)]:
        file.write_bytes(whole[:size])
        with pytest.raises(InputError, match=re.escape(str(file))):
            ply.read(file)


@pytest.mark.parametrize("count", ["3", "1000000000", "999999999999999", "9" * 40, "-1", "1.5"])
@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian"])
def test_counts_are_not_believed(tmp_path: Path, count: str, encoding: str) -> None:
    whole = encoded(NAMES, {}, encoding)
    (tmp_path / "a.ply").write_bytes(whole.replace(b"vertex 2", f"vertex {count}".encode()))
    tracemalloc.start()
    with pytest.raises(InputError):
        ply.read(tmp_path / "a.ply")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_no_vertices_are_no_gaussians(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(HEADER.replace(b"vertex 2", b"vertex 0"))
    assert len(ply.read(tmp_path / "a.ply")) == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"ply\n", b"plx\n", "no PLY file"),
        (b"end_header", b"the end", "no line|without end"),
        (b"binary_little_endian", b"binary_middle_endian", "no line of a PLY header"),
        (b"format binary_little_endian 1.0\n", b"", "no line of a PLY header|format"),
        (b"1.0", b"2.0", "no line of a PLY header"),
        (b"float x", b"quad x", "no line of a PLY header, found 'property quad x'"),
        (b"float y", b"float x", "property x: twice the same"),
        (b"element vertex", b"element point", "element: found point, expected vertex"),
        (b"property float rot_3\n", b"", "expected the property rot_3"),
        (b"property float opacity\n", b"", "without Gaussians"),
        (b"float x", b"list uchar float x", "properties of fixed size"),
        (b"element vertex 2", b"element vertex 2\nelement vertex 2", "twice the same"),
        (b"element", b"element face 1\nproperty list uchar int a\nelement", "before any lists"),
        (b"property float x", b"x" * (1 << 17), "without end"),
    ],
)
def test_what_is_wrong_with_a_header_is_said(
    tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    assert old in BY_HAND
    changed = HEADER.replace(old, new, 1) + BY_HAND[len(HEADER) :] + bytes(64)
    (tmp_path / "a.ply").write_bytes(changed)
    with pytest.raises(InputError, match=message):
        ply.read(tmp_path / "a.ply")


def test_too_many_elements(tmp_path: Path) -> None:
    extra = b"".join(b"element e%d 0\n" % i for i in range(100))
    (tmp_path / "a.ply").write_bytes(BY_HAND.replace(b"element", extra + b"element", 1))
    with pytest.raises(InputError, match="at most 64"):
        ply.read(tmp_path / "a.ply")


@pytest.mark.parametrize("names", [range(3), range(72), range(1, 10), [*range(8), 9]])
def test_harmonics_of_no_degree_are_refused(tmp_path: Path, names: list[int]) -> None:
    rest = re.compile(rb"(property float f_rest_\d\n)+")
    lines = b"".join(b"property float f_rest_%d\n" % i for i in names)
    header = rest.sub(lines, HEADER)
    (tmp_path / "a.ply").write_bytes(header + bytes(2 * 4 * header.count(b"property")))
    with pytest.raises(InputError, match=f"f_rest: found {len(names)} coefficients"):
        ply.read(tmp_path / "a.ply")


@pytest.mark.parametrize("word", [b"1.5.2", b"five", b"1 1", b"", b"1e999x"])
def test_text_that_is_no_number_is_refused(tmp_path: Path, word: bytes) -> None:
    whole = encoded(NAMES, {}, "ascii")
    (tmp_path / "a.ply").write_bytes(whole.replace(b"33.0 ", word + b" ", 1))
    with pytest.raises(InputError, match=r"a\.ply: vertex"):
        ply.read(tmp_path / "a.ply")
