"""What a scene is: points to features to signal, one file per family of backbones.

A `Backbone` maps the unit cube to features; a `RadianceField` puts a `Domain` before it and a
`RadianceDecoder` behind it, a `SignalField` only a `SignalDecoder`. `Gaussians` are a scene without
either.
"""

from polyfield.fields.backbone import Backbone
from polyfield.fields.coordinate_network import CoordinateNetwork
from polyfield.fields.decoder import RadianceDecoder
from polyfield.fields.dense_grid import DenseGrid
from polyfield.fields.domain import Domain
from polyfield.fields.factored import CP, TT, VM, FactoredGrid, KPlanes, TriPlane, Tucker
from polyfield.fields.field import RadianceField
from polyfield.fields.finr import FInr
from polyfield.fields.frequency import FrequencyEncoding
from polyfield.fields.gaussians import Gaussians
from polyfield.fields.hash_grid import HashGrid
from polyfield.fields.signal_decoder import SignalDecoder
from polyfield.fields.signal_field import SignalField
from polyfield.fields.strivec import Strivec

__all__ = [
    "CP",
    "TT",
    "VM",
    "Backbone",
    "CoordinateNetwork",
    "DenseGrid",
    "Domain",
    "FInr",
    "FactoredGrid",
    "FrequencyEncoding",
    "Gaussians",
    "HashGrid",
    "KPlanes",
    "RadianceDecoder",
    "RadianceField",
    "SignalDecoder",
    "SignalField",
    "Strivec",
    "TriPlane",
    "Tucker",
]
