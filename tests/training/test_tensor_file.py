"""Files of tensors, as the library that everyone reads them with sees them."""

from __future__ import annotations

import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyfield.training.tensor_file import TYPES, pieces

tensors = st.builds(
    lambda dtype, shape, seed: torch.randint(
        0, 2, shape, generator=torch.Generator().manual_seed(seed)
    ).to(dtype),
    st.sampled_from(sorted(TYPES, key=str)),
    st.lists(st.integers(0, 5), max_size=3),
    st.integers(0, 99),
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), tensors, max_size=6))
def test_the_library_reads_and_writes_the_same(written: dict[str, torch.Tensor]) -> None:
    written.pop("__metadata__", None)
    data = b"".join(pieces(written))
    read = safetensors.torch.load(data)
    assert read.keys() == written.keys()
    for name, tensor in written.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)
    assert len(data) <= len(safetensors.torch.save(written)) + 8 * len(written)


def test_what_lies_otherwise_is_written_in_order() -> None:
    turned = torch.arange(6.0).reshape(2, 3).T
    read = safetensors.torch.load(b"".join(pieces({"turned": turned, "half": turned[::2]})))
    assert torch.equal(read["turned"], turned)
    assert torch.equal(read["half"], turned[::2])
