"""Files of rw.io against the safetensors package, both ways."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import relweave as rw

DTYPES = ["?", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8"]
SHAPES = {"vector": (7,), "matrix": (3, 5), "cube": (2, 1, 3), "scalar": (), "none": (0, 4)}


def arrays():
    rng = np.random.default_rng(0)
    return {
        f"{dtype} {name}": rng.integers(0, 100, shape).astype(dtype)
        for dtype in DTYPES
        for name, shape in SHAPES.items()
    }


def check_equal(got, expected):
    assert set(got) == set(expected)
    for name, value in expected.items():
        assert got[name].dtype == value.dtype
        assert got[name].shape == value.shape
        np.testing.assert_array_equal(got[name], value)


def test_the_package_reads_what_relweave_writes(tmp_path):
    path = tmp_path / "t.safetensors"

    rw.io.save_safetensors(path, arrays(), {"größe": "5 m"})

    check_equal(safetensors.numpy.load_file(path), arrays())
    with safe_open(path, "numpy") as file:
        assert file.metadata() == {"größe": "5 m"}


def test_relweave_reads_what_the_package_writes(tmp_path):
    path = tmp_path / "t.safetensors"
    safetensors.numpy.save_file(arrays(), path, {"größe": "5 m"})

    tensors, metadata = rw.io.load_safetensors(path)

    check_equal(tensors, arrays())
    assert metadata == {"größe": "5 m"}
    assert all(a.flags.writeable for a in tensors.values())


def test_bfloat16_becomes_float32(tmp_path):
    values = torch.tensor([[1.0, -2.5, 3e38], [1e-40, float("inf"), 0.1]], dtype=torch.bfloat16)
    save_file({"x": values}, tmp_path / "t")

    x = rw.io.load_safetensors(tmp_path / "t").tensors["x"]

    np.testing.assert_array_equal(x, values.float().numpy())


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bit_floats_are_refused_by_name(tmp_path, dtype):
    save_file({"x": torch.zeros(2).to(dtype)}, tmp_path / "t")

    with pytest.raises(rw.IoError, match="tensor 'x' of type \"F8_E"):
        rw.io.load_safetensors(tmp_path / "t")


def test_tensors_of_torch_are_written(tmp_path):
    x = torch.arange(6.0).reshape(2, 3).T  # not contiguous

    rw.io.save_safetensors(tmp_path / "t", {"x": x, "b": torch.tensor([True, False])})

    tensors = safetensors.numpy.load_file(tmp_path / "t")
    np.testing.assert_array_equal(tensors["x"], x.numpy())
    np.testing.assert_array_equal(tensors["b"], [True, False])
