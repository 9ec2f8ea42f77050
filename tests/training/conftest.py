"""What the tests of training share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch


@pytest.fixture(scope="session")
def regression() -> ModuleType:
    """The module `regression.py` beside this file."""
    path = Path(__file__).with_name("regression.py")
    spec = importlib.util.spec_from_file_location("polyfield_test_regression", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tiny tensors gain nothing from threads, and wait for them on a busy machine."""
    torch.set_num_threads(1)
