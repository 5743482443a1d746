"""Defective, foreign and unwritable files; what happens to a file that is there."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import pytest

import relweave as rw

F4 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def file_of(header, data=b"\0" * 8, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (b"\0\0\0", "3 bytes"),
        (file_of({"a": F4})[:20], "a header of"),
        (file_of({"a": F4})[:-1], "range inside the file"),
        (file_of({"a": F4}, length=1 << 40), "a header of 1099511627776 bytes"),
        (file_of({"a": F4}, length=(1 << 64) - 1), "a header of"),
        (file_of(b"this is no JSON"), "not a JSON object"),
        (file_of([1, 2]), "not a JSON object"),
        (file_of({"a": {**F4, "dtype": "F31"}}), "F31"),
        (file_of({"a": {**F4, "dtype": 7}}), "without dtype"),
        (file_of({"a": {**F4, "shape": [3]}}), "as many bytes"),
        (file_of({"a": {**F4, "shape": [-2]}}), "whole number"),
        (file_of({"a": {**F4, "shape": [2**40, 2**40]}}), "shape that fits"),
        (file_of({"a": {**F4, "data_offsets": [8, 16]}}), "range inside the file"),
        (file_of({"a": {**F4, "data_offsets": [8, 0]}}), "range inside the file"),
        (file_of({"a": {**F4, "data_offsets": [0]}}), "data_offsets"),
        (file_of({"a": F4, "b": F4}), "overlap"),
        (file_of({"a": F4}, b"\0" * 12), "12 bytes of data"),
        (
            file_of(
                json.dumps({"a": F4}).encode()[:-1] + b"," + json.dumps({"a": F4}).encode()[1:]
            ),
            "a name twice",
        ),
        (file_of({"a": F4, "__metadata__": {"k": 1}}), "not text"),
        (file_of({"a": F4, "__metadata__": 5}), "not an object"),
        (b"\x80\x04\x95" + b"pickle" * 20, "header"),
        (b"\x93NUMPY" + b" " * 200, "header"),
    ],
)
def test_defective_and_foreign_files_are_refused(tmp_path, content, message):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)

    with pytest.raises(rw.IoError, match=message) as caught:
        rw.io.load_safetensors(path)

    assert "broken.safetensors" in str(caught.value)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "t"
    rw.io.save_safetensors(path, {"a": np.arange(3.0), "b": np.ones((2, 2), "f4")}, {"k": "v"})
    whole = path.read_bytes()

    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(rw.IoError):
            rw.io.load_safetensors(path)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(rw.IoError, match="nothing"):
        rw.io.load_safetensors(tmp_path / "nothing")
    with pytest.raises(rw.IoError):
        rw.io.load_safetensors(tmp_path)
    with pytest.raises(rw.IoError, match="nowhere"):
        rw.io.save_safetensors(tmp_path / "nowhere" / "t", {})


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "t"
    rw.io.save_safetensors(path, {"a": np.ones(2)})

    for tensors, metadata, error in (
        ({"a": np.array(["x"])}, None, rw.DTypeError),
        ({"a": np.zeros(2, complex)}, None, rw.DTypeError),
        ({"a": np.ones(3), "b": object()}, None, rw.DTypeError),
        ({"__metadata__": np.ones(3)}, None, rw.ConfigError),
        ({5: np.ones(3)}, None, rw.ConfigError),
        ({"\ud800": np.ones(3)}, None, rw.ConfigError),
        ({"a": np.ones(3)}, {"k": 5}, rw.ConfigError),
    ):
        with pytest.raises(error, match=r"save_safetensors|SafetensorsWriter"):
            rw.io.save_safetensors(path, tensors, metadata)

    np.testing.assert_array_equal(rw.io.load_safetensors(path).tensors["a"], [1, 1])
    assert os.listdir(tmp_path) == ["t"]


def test_any_layout_is_written(tmp_path):
    x = np.arange(12, dtype=">f8").reshape(3, 4)
    locked = np.ones(2, "f4")
    locked.flags.writeable = False
    given = {"big": x, "fortran": np.asfortranarray(x), "part": x[:, ::2], "locked": locked}

    rw.io.save_safetensors(tmp_path / "t", given)

    tensors, metadata = rw.io.load_safetensors(tmp_path / "t")
    assert metadata == {}
    for name, value in given.items():
        np.testing.assert_array_equal(tensors[name], value)
    tensors["locked"][0] = 5  # ours to change


def test_a_network_comes_back(tmp_path):
    schema = rw.Schema(["a"], [("a", "to", "a")])
    net = rw.nn.HeteroSAGE(schema, {"a": 4}, hidden=3, seed=1)
    other = rw.nn.HeteroSAGE(schema, {"a": 4}, hidden=3, seed=2)

    rw.io.save_safetensors(tmp_path / "net", net.parameters())
    other.load_parameters(rw.io.load_safetensors(tmp_path / "net").tensors)

    for name, value in net.parameters().items():
        np.testing.assert_array_equal(other.parameters()[name], value)
