"""Factored grids: a scene as products and sums of what lines, planes and volumes hold.

One composition, `FactoredGrid`: factors over some of the coordinates, seen in frames that may be
learned, combined to features. The families below say which factors, and nothing else.
"""

from polyfield.fields.factored.families import CP, TT, VM, KPlanes, TriPlane, Tucker
from polyfield.fields.factored.grid import FactoredGrid
from polyfield.fields.factored.layout import Factor, Layout
from polyfield.fields.factored.products import Part, products

__all__ = [
    "CP",
    "TT",
    "VM",
    "Factor",
    "FactoredGrid",
    "KPlanes",
    "Layout",
    "Part",
    "TriPlane",
    "Tucker",
    "products",
]
