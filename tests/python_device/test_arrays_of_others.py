"""Arrays of other libraries on a device: how they are asked for, refused and given back."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import HGNN, TOWERS
from producers import LENT, OldestProducer, OldProducer, Producer

import relweave as rw

VECTORS = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
QUERIES = VECTORS[:3] + np.float32(0.25)


def index_of(vectors):
    return rw.ExactIndex(vectors, device="cuda")


def searched(vectors, queries):
    ids, scores = index_of(vectors).search(queries, k=2)
    return ids.numpy(), scores.numpy()


@pytest.mark.parametrize("kind", [Producer, OldProducer, OldestProducer])
def test_every_version_of_the_protocol_is_read(kind):
    expected = index_of(VECTORS).search(QUERIES, k=2)

    vectors, queries = kind(VECTORS), kind(QUERIES)
    ids, scores = searched(vectors, queries)

    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(scores, expected[1])
    for producer in (vectors, queries):
        assert (producer.lent, producer.given_back) == (1, 1)


def test_the_producer_is_told_the_stream_that_it_has_to_be_done_before():
    new, old = Producer(VECTORS), OldProducer(VECTORS)

    index_of(new)
    index_of(old)

    assert new.asked[0]["max_version"] == (1, 0)
    for producer in (new, old):
        (asked,) = producer.asked
        assert asked["stream"] > 2  # an own one, neither of the default streams


def test_rows_may_lie_apart_and_begin_anywhere():
    wide = np.arange(40, dtype=np.float32).reshape(4, 10)
    part = Producer(wide, shape=(3, 4), strides=(10, 1), byte_offset=4 * 13)
    expected = index_of(wide[1:4, 3:7]).search(wide[:2, :4], k=3)

    ids, scores = index_of(part).search(wide[:2, :4], k=3)

    np.testing.assert_array_equal(ids.numpy(), expected[0])
    np.testing.assert_array_equal(scores.numpy(), expected[1])


@pytest.mark.parametrize(
    ("shape", "strides"), [((1, 5), (99, 1)), ((3, 1), (1, 77)), ((1, 1), (0, 0)), ((7, 5), (5, 1))]
)
def test_strides_that_are_never_taken_do_not_matter(shape, strides):
    given = Producer(VECTORS, shape=shape, strides=strides)

    ids, _ = index_of(given).search(np.ones((1, shape[1]), np.float32), k=1)

    assert ids.numpy()[0, 0] >= 0


@pytest.mark.parametrize(
    ("tensor", "error", "message"),
    [
        ({"dtype": (2, 64, 1)}, rw.DTypeError, "type code 2 of 64 bits, expected float32"),
        ({"dtype": (0, 32, 1)}, rw.DTypeError, "type code 0 of 32 bits, expected float32"),
        ({"dtype": (4, 16, 1)}, rw.DTypeError, "type code 4 of 16 bits, expected float32"),
        ({"dtype": (2, 32, 4)}, rw.DTypeError, "of 32 bits in 4 lanes, expected float32"),
        ({"shape": (35,)}, rw.ShapeError, "1 dimensions, expected 2"),
        ({"shape": (1, 7, 5)}, rw.ShapeError, "3 dimensions, expected 2"),
        ({"shape": ()}, rw.ShapeError, "0 dimensions, expected 2"),
        ({"shape": (5, 7), "strides": (1, 5)}, rw.ShapeError, r"strides \(1, 5\), expected C-cont"),
        ({"shape": (3, 2), "strides": (10, 2)}, rw.ShapeError, r"strides \(10, 2\)"),
        ({"byte_offset": 2}, rw.DTypeError, "an address between two numbers"),
        ({"strides": (0, 1)}, rw.ShapeError, r"strides \(0, 1\)"),
        ({"strides": (-5, 1)}, rw.ShapeError, r"strides \(-5, 1\)"),
        ({"claims": (1, 0)}, rw.DeviceError, r"DLPack device \(1, 0\), expected that of cuda:0"),
        ({"claims": (2, 1)}, rw.DeviceError, r"DLPack device \(2, 1\), expected that of cuda:0"),
    ],
)
@pytest.mark.parametrize("kind", [Producer, OldProducer])
def test_what_is_no_float32_matrix_here_is_refused_and_given_back(kind, tensor, error, message):
    index = index_of(VECTORS)
    for argument, ask in (("ExactIndex: vectors", index_of), ("search: queries", index.search)):
        given = kind(VECTORS, **tensor)

        with pytest.raises(error, match=f"{argument}: got .*{message}"):
            ask(given)

        assert (given.lent, given.given_back) == (1, 1)


def test_a_version_to_come_is_refused_and_given_back():
    given = Producer(VECTORS, version=(2, 0))

    with pytest.raises(rw.DTypeError, match="vectors: got DLPack version 2, expected version 1"):
        index_of(given)

    assert (given.lent, given.given_back) == (1, 1)


def test_an_array_on_another_device_is_not_asked_for():
    given = Producer(VECTORS, device=1)

    with pytest.raises(rw.DeviceError, match=r"vectors: got memory of cuda:1, expected .*cuda:0"):
        index_of(given)
    with pytest.raises(rw.DeviceError, match="device type 2, expected that of the CPU"):
        rw.ExactIndex(given)

    assert given.asked == []


@pytest.mark.parametrize("error", [RuntimeError, BufferError, ValueError])
def test_what_the_producer_says_is_told(error):
    class Refuses(Producer):
        def __dlpack__(self, **_):
            raise error("requires gradient")

    with pytest.raises(rw.DTypeError, match=r"vectors: got a Refuses .*\(requires gradient\)"):
        index_of(Refuses(VECTORS))


def test_an_exception_that_is_not_about_the_array_comes_through():
    class Stopped(Producer):
        def __dlpack__(self, **_):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_of(Stopped(VECTORS))


@pytest.mark.parametrize("answer", [None, 3, object()])
def test_what_is_no_capsule_is_refused(answer):
    class Confused(Producer):
        def __dlpack__(self, **_):
            return answer

    with pytest.raises(rw.DTypeError, match="expected a capsule of DLPack"):
        index_of(Confused(VECTORS))


def test_a_capsule_is_taken_once():
    given = Producer(VECTORS)
    capsule = given.capsule()
    given.__class__ = type("Again", (Producer,), {"__dlpack__": lambda self, **_: capsule})
    index_of(given)

    with pytest.raises(rw.DTypeError, match="used_dltensor_versioned"):
        index_of(given)

    assert given.given_back == 1


def test_a_model_keeps_its_arrays_when_the_producer_is_gone(world):
    hgnn = rw.HGNN(config={**HGNN, "epochs": 1}, device="cuda")
    hgnn.fit(world.graph, Producer(world.inner), progress=False)
    assert len(LENT) == 1  # the producer's deleter has not been called

    vectors = hgnn.vectors_.numpy()

    same = rw.HGNN(config={**HGNN, "epochs": 1}, device="cuda")
    same.fit(world.graph, world.inner, progress=False)
    np.testing.assert_array_equal(vectors, same.vectors_)
    del hgnn
    assert not LENT


def test_arrays_are_given_back_when_a_fit_is_refused(world):
    short, good = Producer(world.inner[:-1]), Producer(world.inner)
    bad = Producer(np.where(world.inner > 2, np.nan, world.inner))

    for features, error in ((short, rw.ShapeError), (bad, rw.ConfigError)):
        with pytest.raises(error, match="features"):
            rw.HGNN(config=HGNN, device="cuda").fit(world.graph, features, progress=False)
        with pytest.raises(error, match="vectors"):
            rw.TwoTower(config=TOWERS, device="cuda").fit(
                world.log, world.catalog, good, features, progress=False
            )

    for given in (short, good, bad):
        assert given.lent == given.given_back == 2
