"""rw.DeviceArray as other libraries see it."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from producers import Legacy, Producer, Versioned, take, tensor_of

import relweave as rw

VECTORS = np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32)


def found():
    """Return ids and scores on the second device."""
    index = rw.ExactIndex(Producer(VECTORS, device=1), device="cuda:1")
    return index.search(VECTORS[:2], k=3)


def test_it_says_what_it_is_and_copies_to_numpy():
    ids, scores = found()

    expected_ids, expected_scores = rw.ExactIndex(VECTORS).search(VECTORS[:2], k=3)
    np.testing.assert_array_equal(ids.numpy(), expected_ids)
    np.testing.assert_allclose(scores.numpy(), expected_scores, rtol=1e-6)
    assert (ids.dtype, scores.dtype) == (np.int32, np.float32)
    assert ids.numpy().dtype == np.int32
    assert ids.shape == (2, 3)
    assert len(ids) == 2
    assert ids.device == "cuda:1"
    assert ids.__dlpack_device__() == (2, 1)
    assert repr(scores) == "DeviceArray(shape=(2, 3), dtype=float32, device='cuda:1')"


def test_capsules_share_the_memory_in_the_version_that_is_asked_for():
    for array, code in zip(found(), (0, 2), strict=True):
        addresses = set()
        for arguments, kind in (
            ({}, Legacy),
            ({"stream": 1, "max_version": (0, 8)}, Legacy),
            ({"stream": 2, "max_version": (1, 0), "dl_device": (2, 1)}, Versioned),
            ({"stream": -1, "max_version": (1, 3), "copy": False}, Versioned),
        ):
            managed = tensor_of(array.__dlpack__(**arguments))

            assert type(managed) is kind
            tensor = managed.tensor
            assert (tensor.device_type, tensor.device_id, tensor.ndim) == (2, 1, 2)
            assert (tensor.code, tensor.bits, tensor.lanes) == (code, 32, 1)
            assert (tensor.shape[:2], tensor.strides[:2]) == ([2, 3], [3, 1])
            assert kind is Legacy or (managed.major, managed.minor, managed.flags) == (1, 0, 0)
            addresses.add(tensor.data + tensor.byte_offset)
        assert len(addresses) == 1


@pytest.mark.parametrize("version", [None, (1, 0)])
def test_a_consumer_keeps_the_memory_until_it_gives_it_back(emulation, version):
    index = rw.ExactIndex(Producer(VECTORS), device="cuda")
    before = emulation.live()
    scores = index.search(VECTORS[:2], k=3)[1]

    _, give_back = take(scores.__dlpack__(max_version=version))

    del scores
    assert emulation.live()[0] == before[0] + 1
    give_back()
    assert emulation.live() == before


def test_a_capsule_that_nobody_takes_gives_back_the_memory(emulation):
    index = rw.ExactIndex(Producer(VECTORS), device="cuda")
    before = emulation.live()
    scores = index.search(VECTORS[:2], k=3)[1]
    capsule = scores.__dlpack__(max_version=(1, 0))
    del scores

    assert emulation.live()[0] == before[0] + 1
    del capsule

    assert emulation.live() == before


def test_a_copy_has_memory_of_its_own():
    scores = found()[1]

    copied = scores.__dlpack__(max_version=(1, 0), copy=True)

    shared = scores.__dlpack__(max_version=(1, 0))
    assert tensor_of(copied).tensor.data != tensor_of(shared).tensor.data
    assert (tensor_of(copied).flags, tensor_of(shared).flags) == (2, 0)


def test_a_copy_on_the_cpu_is_one_for_numpy_and_torch():
    for array in found():
        on_cpu = torch.from_dlpack(array.__dlpack__(dl_device=(1, 0)))
        np.testing.assert_array_equal(on_cpu.numpy(), array.numpy())
        np.testing.assert_array_equal(np.from_dlpack(array, device="cpu"), array.numpy())


@pytest.mark.parametrize(
    "arguments",
    [{"dl_device": (2, 0)}, {"dl_device": (1, 0), "copy": False}, {"dl_device": (10, 0)}],
)
def test_other_devices_are_refused(arguments):
    with pytest.raises(BufferError, match="dl_device"):
        found()[0].__dlpack__(**arguments)


def test_numpy_does_not_read_it_in_silence():
    for read in (np.asarray, lambda x: np.add(x, 1), lambda x: rw.ExactIndex(x)):
        with pytest.raises(rw.DeviceError, match=r"CPU"):
            read(found()[1])


def test_pickle_is_told_what_to_do_instead():
    for refused in (pickle.dumps, copy.deepcopy):
        with pytest.raises(rw.DTypeError, match=r"DeviceArray: pickle: .*numpy\(\)"):
            refused(found()[0])


def test_it_is_an_argument_like_other_arrays_there():
    index = rw.ExactIndex(Producer(VECTORS), device="cuda")
    queries = index.search(VECTORS[:1], k=4)[1]  # (1, 4)
    expected = rw.ExactIndex(VECTORS).search(queries.numpy(), k=2)

    ids, _ = index.search(queries, k=2)

    np.testing.assert_array_equal(ids.numpy(), expected[0])
    with pytest.raises(rw.DTypeError, match=r"queries: .*expected float32"):
        index.search(index.search(VECTORS[:1], k=4)[0])
    with pytest.raises(rw.DeviceError, match=r"queries: got memory of cuda:0, expected .*cuda:1"):
        rw.ExactIndex(VECTORS, device="cuda:1").search(queries)


def test_empty_arrays_come_and_go():
    index = rw.ExactIndex(Producer(VECTORS), device="cuda")

    ids, scores = index.search(Producer(VECTORS, shape=(0, 4)), k=2)

    assert (ids.shape, ids.numpy().shape) == ((0, 2), (0, 2))
    capsule = scores.__dlpack__()
    assert tensor_of(capsule).tensor.shape[:2] == [0, 2]
