"""A scene as a cloud of Gaussians (Kerbl et al. 2023) or of surfels (Huang et al. 2024).

Letters: n Gaussians, k harmonics beyond the first: 0, 3, 8 or 15 for degrees 0 to 3. Parameters are
named as everywhere (`splats.Splats` says what each is), in world units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.kernels.launch import exclusive
from polyfield.kernels.rasterize.arguments import check_primitive
from polyfield.splats.splats import HARMONICS, Splats

NAMES = ("means", "quats", "log_scales", "opacity_logits", "sh_dc", "sh_rest")

FLAT = 1e-3  # a surfel's third scale over the lesser of the others, where it is a Gaussian


class Gaussians(nn.Module):
    """n Gaussians, none at first: `place` puts some.

    Rates are relative to the optimiser's. With 2.5e-3 there, the defaults are those of the paper.

    Args:
        degree: of the spherical harmonics by which colour depends on where it is seen from, 0 to 3.
        degree_every: share of the training after which a further degree counts; 0: all from the
            start.
        primitive: "gaussians", or "surfels": disks, across which the third axis is the normal and
            the third scale counts for nothing.
        antialiased: whether what a Gaussian gains in area by being at least a pixel wide is taken
            from its opacity (Mip-Splatting, Yu et al. 2024).
        means_lr: of centres, for a scene of extent 1; means_final: the share of it at the end.
        quats_lr, scales_lr, opacities_lr, sh_dc_lr, sh_rest_lr: of the others.
        extent: of the scene, world units: the measure of the rate of centres.
    """

    means: nn.Parameter
    quats: nn.Parameter
    log_scales: nn.Parameter
    opacity_logits: nn.Parameter
    sh_dc: nn.Parameter
    sh_rest: nn.Parameter
    active: Tensor

    def __init__(
        self,
        degree: int = 3,
        degree_every: float = 1 / 30,
        primitive: str = "gaussians",
        antialiased: bool = False,
        means_lr: float = 0.064,
        means_final: float = 0.01,
        quats_lr: float = 0.4,
        scales_lr: float = 2.0,
        opacities_lr: float = 20.0,
        sh_dc_lr: float = 1.0,
        sh_rest_lr: float = 0.05,
        extent: float = 1.0,
    ) -> None:
        super().__init__()
        if degree not in range(len(HARMONICS)):
            raise InputError(field="field.degree", found=degree, expected="0 to 3")
        if not 0 <= degree_every <= 1:
            expected = "a share of the training, 0 to 1"
            raise InputError(field="field.degree_every", found=degree_every, expected=expected)
        if not 0 < means_final <= 1:
            expected = "above 0, up to 1"
            raise InputError(field="field.means_final", found=means_final, expected=expected)
        check_primitive(primitive, antialiased, node="field")
        self.primitive = primitive
        self.degree, self.degree_every, self.antialiased = degree, degree_every, antialiased
        self._rates = {
            "means": means_lr * extent,
            "quats": quats_lr,
            "log_scales": scales_lr,
            "opacity_logits": opacities_lr,
            "sh_dc": sh_dc_lr,
            "sh_rest": sh_rest_lr,
        }
        for name, rate in self._rates.items():
            if not 0 <= rate < float("inf"):
                raise InputError(field=f"field: rate of {name}", found=rate, expected="0 or more")
        self._finals = {"means": means_final}
        self.register_buffer("active", torch.tensor(degree if degree_every == 0 else 0))
        self.replace(self._room(0))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.means)

    @property
    def tensors(self) -> dict[str, nn.Parameter]:
        """The parameters by name, all of one moment: `replace` waits, and is waited for."""
        with exclusive():
            return {name: getattr(self, name) for name in NAMES}

    @torch.no_grad()
    def place(self, values: Mapping[str, Tensor]) -> None:
        """Take these Gaussians in the place of those there are; missing harmonics are zero.

        Args:
            values: by name, `means` [n,3] and so on; of `sh_rest` any degree.
        """
        n, k = len(values["means"]), HARMONICS[self.degree]
        parameters = self._room(n)
        for name, parameter in parameters.items():
            new = values[name].detach().to(parameter)
            if name == "sh_rest":
                parameter[:, : new.shape[1]] = new[:, :k]
            elif new.shape == parameter.shape:
                parameter.copy_(new)
            else:
                expected = list(parameter.shape)
                raise InputError(field=name, found=list(new.shape), expected=expected)
        self.replace(parameters)

    def replace(self, parameters: Mapping[str, nn.Parameter]) -> None:
        """Use these parameters from now on, all six at once for a thread that renders."""
        with exclusive():
            for name in NAMES:
                setattr(self, name, parameters[name])

    def count_learned(self) -> None:
        """Let all degrees count whose harmonics are not zero: those of Gaussians that have learned.

        Random numbers in them would count too, so that it is for the caller to say.
        """
        used = self.sh_rest.detach().ne(0).any(dim=2).any(dim=0).nonzero()
        if len(used):
            highest = int(used[-1]) + 1  # harmonics up to the last that is used
            self.active.clamp_(min=next(d for d, k in enumerate(HARMONICS) if k >= highest))

    def take_structure(self, tensors: Mapping[str, Tensor]) -> None:
        """Make room for as many as were saved."""
        if "means" in tensors and len(tensors["means"]) != len(self):
            self.replace(self._room(len(tensors["means"])))

    def _room(self, n: int) -> dict[str, nn.Parameter]:
        """Parameters of n Gaussians, all zero."""
        shapes = {
            "quats": (n, 4),
            "opacity_logits": (n,),
            "sh_rest": (n, HARMONICS[self.degree], 3),
        }
        return {name: nn.Parameter(torch.zeros(shapes.get(name, (n, 3)))) for name in NAMES}

    def grow(self, step: int, progress: float) -> list[object]:
        """Let a further degree count when its turn has come; no parameter is replaced."""
        if self.degree_every > 0:
            due = min(self.degree, int(progress / self.degree_every + 1e-9))
            self.active.clamp_(min=due)
        return []

    def regularization(self) -> Tensor:
        """None: strategies of densification have their own."""
        return torch.zeros(())

    def parameter_groups(self) -> list[dict]:
        """A group for each parameter; those of Gaussians that are not in a picture stay."""
        return [
            {
                "params": [parameter],
                "name": name,
                "lr_scale": self._rates[name],
                "final": self._finals.get(name, 1.0),
                "eps": 1e-15,
                "sparse": True,
            }
            for name, parameter in self.tensors.items()
        ]

    def splats(self) -> Splats:
        """The Gaussians as arrays, in the world; surfels as thin ones."""
        tensors = {name: tensor.detach().cpu() for name, tensor in self.tensors.items()}
        if self.primitive == "surfels":
            tensors["log_scales"] = flattened(tensors["log_scales"])
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        return Splats(**arrays, antialiased=self.antialiased)


def flattened(log_scales: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """The same with a third scale that makes a thin Gaussian of a surfel."""
    thin = log_scales[:, :2].amin(dim=1, keepdim=True) + math.log(FLAT)
    return torch.cat([log_scales[:, :2], thin], dim=1)


def tensors_of(splats: Splats) -> dict[str, Tensor]:
    """The parameters of splats by name, as `Gaussians.place` takes them."""
    return {name: torch.from_numpy(getattr(splats, name)) for name in NAMES}
