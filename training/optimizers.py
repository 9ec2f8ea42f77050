"""Adam for neural fields: dense for networks, sparse for grids, one fast kernel for both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from polyfield.errors import InputError
from polyfield.kernels.adam import adam_step, adam_step_reference


class Adam(torch.optim.Optimizer):
    """Adam whose groups may be sparse: entries without a gradient then keep value and moments.

    Args:
        groups: parameters, or groups with "params" and optionally "name", "lr_scale" (multiplies
            the learning rate), "sparse" (skip zero gradients), "kept" (see `step`; sparse ones are)
            and any of the arguments below.
        lr, betas, eps: as in Adam; the small eps gives rarely touched entries full steps.
        weight_decay: L2 penalty added to the gradient, on groups that are not sparse.

    Raises:
        InputError: for a rate, beta, eps or decay that no step can be taken with.
    """

    consumes_gradients = True  # see `step`

    def __init__(
        self,
        groups: Iterable[Any],
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-15,
        weight_decay: float = 0.0,
    ) -> None:
        betas = _checked(lr, betas, eps, weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "lr_scale": 1.0,
            "sparse": False,
            "kept": False,
            "name": "",
        }
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """One step; groups with a learning rate of zero are left alone.

        The step consumes the gradients: those of sparse and of kept groups are zeroed on the way,
        while they are in cache, and stay allocated, so that the next backward pass can add to them
        (`kernels.gradients.direct_gradients`); the others are dropped. No `zero_grad` is needed. A
        gradient that is kept counts as zero in a step that has none.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr = float(group["lr"]) * group["lr_scale"]
            if lr == 0.0:
                continue
            beta1, beta2 = group["betas"]
            kept = keeps_gradients(group)
            for param in group["params"]:
                if param.grad is None or not param.requires_grad:
                    continue
                state = self.state[param]
                if not state:
                    state["step"] = torch.zeros((), dtype=torch.int64)
                    state["exp_avg"] = torch.zeros_like(param)
                    state["exp_avg_sq"] = torch.zeros_like(param)
                state["step"] += 1
                fast = param.device.type == "cpu" and param.is_contiguous()
                fast = fast and param.grad.is_contiguous()
                (adam_step if fast else adam_step_reference)(
                    param,
                    param.grad,
                    state["exp_avg"],
                    state["exp_avg_sq"],
                    lr=lr,
                    beta1=beta1,
                    beta2=beta2,
                    eps=group["eps"],
                    step=int(state["step"]),
                    weight_decay=0.0 if group["sparse"] else group["weight_decay"],
                    skip_zero=group["sparse"],
                    clear=kept,
                )
                increment_version(param)  # which a kernel that writes into it leaves as it was
                if not kept:
                    param.grad = None
        return loss


def keeps_gradients(group: Mapping[str, Any]) -> bool:
    """Whether the gradients of a group of `Adam` stay allocated from step to step."""
    return bool(group.get("sparse") or group.get("kept"))


def _checked(
    lr: float, betas: Sequence[float], eps: float, weight_decay: float
) -> tuple[float, float]:
    """The betas; InputError for a setting that no step can be taken with."""
    for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
        if not 0 <= value < math.inf:
            raise InputError(field=f"optimizer.{name}", found=value, expected="0 or more, finite")
    betas = tuple(betas)
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        expected = "two numbers, 0 or more and below 1"
        raise InputError(field="optimizer.betas", found=list(betas), expected=expected)
    return betas[0], betas[1]
