"""Sections of RESULTS.md on geometry: meshes against the surfaces that were learned."""

from __future__ import annotations

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.sections import NOTHING, Rows, Section

PREFIX = "geometry-"


def geometry_rows(book: Book) -> Rows:
    """Each field's meshes."""
    for name in book.names(PREFIX):
        title, values = name.removeprefix(PREFIX), book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        for method, found in values["meshes"].items():
            known = "f_score" in found
            yield [
                f"{title}, {method}",
                f"{1000 * found['chamfer']:.2f}" if known else NOTHING,
                f"{found['precision']:.3f}" if known else NOTHING,
                f"{found['recall']:.3f}" if known else NOTHING,
                f"{found['f_score']:.3f}" if known else NOTHING,
                f"{found['all_f_score']:.3f}" if known else NOTHING,
                f"{found['triangles']:,}",
                f"{found['seconds']:.1f}",
            ]


GEOMETRY = Section(
    "Meshes",
    "Exported at 256 cells across, without texture, against the true surface: the built-in scene's "
    "is exact, the others' are the meshes that were learned. Chamfer distances are thousandths of "
    "the diagonal, F-scores at a hundredth of it. What no training camera can see counts in the "
    "second F-score alone. Seconds are those from a trained field to a mesh.",
    (
        "",
        "Chamfer",
        "precision",
        "recall",
        "F-score",
        "F-score, all of it",
        "triangles",
        "seconds",
    ),
    geometry_rows,
)


def texture_rows(book: Book) -> Rows:
    """Each field's textured mesh."""
    for name in book.names(PREFIX):
        values = book.values(name)
        if values is None or "texture" not in values:
            continue
        found = values["texture"]
        yield [
            name.removeprefix(PREFIX),
            f"{found['psnr']:.2f}",
            f"{found['field_psnr']:.2f}",
            f"{found['worst']:.2f}",
            f"{found['seconds']:.1f}",
        ]


TEXTURES = Section(
    "Textured meshes",
    "The mesh of `polyfield export format=mesh texture=auto` at 256 cells across, in ten test "
    "views, against the photos and beside the field itself. Seconds begin with a trained field.",
    ("", "PSNR", "PSNR of the field", "largest difference of a view, dB", "seconds"),
    texture_rows,
)
SECTIONS = (GEOMETRY, TEXTURES)
