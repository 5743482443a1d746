"""Encoders that answer wrongly, texts that are none, caches that are damaged."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest
from conftest import SMALL

import relweave as rw


class Encoder:
    """Answers with what a function of the number of texts gives."""

    def __init__(self, answer, id="mine"):
        self.answer, self.id = answer, id

    def encode(self, texts):
        return self.answer(len(texts))


@pytest.mark.parametrize(
    ("encoder", "error", "message"),
    [
        (Encoder(lambda n: np.full((n, 2), np.nan)), rw.ConfigError, r"\(mine\): got nan in row 0"),
        (Encoder(lambda n: np.ones((n - 1, 2))), rw.ShapeError, r"\(159, 2\).*one row per text"),
        (Encoder(lambda n: np.ones(n)), rw.ShapeError, r"\(160,\)"),
        (Encoder(lambda n: None), rw.DTypeError, "numbers"),
        (Encoder(lambda n: np.ones((n, 2)), id=None), rw.DTypeError, "`id`, a text"),
        (rw.text.HashEncoder, rw.DTypeError, "an encoder: an object"),
        ("all-MiniLM-L6-v2", rw.DTypeError, "SentenceTransformerEncoder"),
        (rw.text.PrecomputedVectors(["i0"], [[1.0]]), rw.ConfigError, "159 unknown ids"),
    ],
)
def test_bad_encoders_are_refused_at_every_door(tiny, encoder, error, message):
    with pytest.raises(error, match=message):
        rw.Recommender(**SMALL).fit(tiny.log(), tiny.catalog(), encoder, progress=False)
    with pytest.raises(error, match=message):
        rw.baselines.TextKNN().fit(tiny.log(), tiny.catalog(), encoder)


def test_what_an_encoder_raises_arrives_and_nothing_is_fitted(tiny):
    def fail(n):
        raise ConnectionError("no service")

    model = rw.Recommender(**SMALL)

    with pytest.raises(ConnectionError, match="no service"):
        model.fit(tiny.log(), tiny.catalog(), Encoder(fail), progress=False)
    with pytest.raises(rw.NotFittedError):
        model.recommend(["u0"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dimension": 0}, "dimension: got 0"),
        ({"dimension": 2.5}, "dimension: got 2.5"),
        ({"dimension": "8"}, "dimension: got '8'"),
        ({"seed": -1}, "seed: got -1"),
        ({"ngrams": 3}, "ngrams: got 3"),
        ({"ngrams": ()}, r"ngrams: got \(\)"),
        ({"ngrams": (0,)}, "ngrams: got 0"),
    ],
)
def test_bad_settings_of_the_hash_encoder_are_refused(settings, message):
    with pytest.raises(rw.ConfigError, match=f"HashEncoder: {message}"):
        rw.text.HashEncoder(**settings)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    ("texts", "message"),
    [("abc", "got str"), ([None], "a NoneType in row 0"), (["a", "\ud800"], "surrogate in row 1")],
)
def test_texts_that_are_none_are_refused(tmp_path, cached, texts, message):
    encoder = rw.text.HashEncoder(8)

    with pytest.raises(rw.DTypeError, match=message):
        (rw.text.CachedEncoder(encoder, tmp_path) if cached else encoder).encode(texts)


@pytest.fixture
def cache(tmp_path):
    """A cache with a page of vectors, and its file."""
    encoder = rw.text.CachedEncoder(rw.text.HashEncoder(8), tmp_path)
    encoder.encode([str(k) for k in range(1000)])
    return encoder, tmp_path / "text-vectors.sqlite"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"garbage" * 1000,
        lambda data: data[:4096] + bytes(b ^ 0x55 for b in data[4096:]),
    ],
)
def test_a_damaged_text_cache_says_what_to_delete(cache, damage):
    encoder, path = cache
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(rw.IoError, match=r"delete text-vectors\.sqlite"):
        encoder.encode([str(k) for k in range(1000)])


def test_a_text_cache_with_vectors_of_other_sizes_is_refused(cache):
    encoder, path = cache
    with sqlite3.connect(path) as store:
        store.execute("update vectors set vector = x'0102030405'")
    store.close()

    with pytest.raises(rw.IoError, match="encoded again"):
        encoder.encode(["1"])


def test_a_text_cache_keeps_no_vector_that_is_not_finite(tmp_path):
    broken = Encoder(lambda n: np.full((n, 8), np.nan))
    good = Encoder(lambda n: np.ones((n, 8)))

    with pytest.raises(rw.ConfigError, match="nan in row 0"):
        rw.text.CachedEncoder(broken, tmp_path).encode(["a"])

    assert rw.text.CachedEncoder(good, tmp_path).encode(["a"]).tolist() == [[1.0] * 8]


def test_a_text_cache_where_no_folder_can_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")

    with pytest.raises(rw.IoError, match="a writable folder"):
        rw.text.CachedEncoder(rw.text.HashEncoder(8), tmp_path / "file" / "x").encode(["a"])
    with pytest.raises(rw.ConfigError, match="batch_size: got 0"):
        rw.text.CachedEncoder(rw.text.HashEncoder(8), tmp_path, batch_size=0)
