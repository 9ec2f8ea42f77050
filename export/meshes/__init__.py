"""Surfaces of a scene as triangles: found, cleaned, coloured and written.

`mesh` is the record that all of them share.
"""

from polyfield.export.meshes.mesh import Mesh

__all__ = ["Mesh"]
