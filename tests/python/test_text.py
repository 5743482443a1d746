import numpy as np
import pytest

import relweave as rw
from relweave.text import CachedEncoder, Encoder, HashEncoder, PrecomputedVectors


class Counting:
    id = "counting@2"

    def __init__(self, fail_after=None):
        self.calls = []
        self.fail_after = fail_after

    def encode(self, texts):
        if self.fail_after is not None and len(self.calls) >= self.fail_after:
            raise RuntimeError("stopped")
        self.calls.append(list(texts))
        return np.array([[len(text), 1] for text in texts], dtype=np.float32).reshape(-1, 2)


def test_hash_vectors_are_stable_unit_and_near_for_near_texts():
    encoder = HashEncoder(128)

    vectors = encoder.encode(["Pinot Noir 2019", "pinot noir 2020", "Jazz", "", "é"])

    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1)[[0, 1, 2]], 1, rtol=1e-6)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]
    np.testing.assert_array_equal(
        vectors, HashEncoder(128).encode(["Pinot Noir 2019", "pinot noir 2020", "Jazz", "", "é"])
    )
    assert np.isfinite(vectors).all()
    assert vectors[0].tolist() != HashEncoder(128, seed=1).encode(["Pinot Noir 2019"])[0].tolist()
    assert isinstance(encoder, Encoder)


def test_the_cache_encodes_every_text_once(tmp_path):
    inner = Counting()
    encoder = CachedEncoder(inner, tmp_path)

    first = encoder.encode(["a", "bb", "a"])
    second = CachedEncoder(inner, tmp_path).encode(["bb", "ccc"])

    assert inner.calls == [["a", "bb"], ["ccc"]]
    assert first[:, 0].tolist() == [1, 2, 1]
    assert second[:, 0].tolist() == [2, 3]
    assert encoder.id == "counting@2"


def test_the_cache_resumes_after_a_stop(tmp_path):
    texts = [str(k) for k in range(10)]
    with pytest.raises(RuntimeError, match="stopped"):
        CachedEncoder(Counting(fail_after=2), tmp_path, batch_size=4).encode(texts)
    inner = Counting()

    CachedEncoder(inner, tmp_path, batch_size=4).encode(texts)

    assert inner.calls == [["8", "9"]]


def test_another_encoder_has_another_cache(tmp_path):
    CachedEncoder(Counting(), tmp_path).encode(["a"])
    other = Counting()
    other.id = "other@2"

    CachedEncoder(other, tmp_path).encode(["a"])

    assert other.calls == [["a"]]


def test_an_unwritable_cache_is_refused(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(rw.IoError, match="a writable folder"):
        CachedEncoder(Counting(), tmp_path / "file" / "cache").encode(["a"])


def test_precomputed_vectors_are_found_by_id(tiny):
    table = PrecomputedVectors(tiny.items["item"][::-1], tiny.vectors[::-1], id="made")
    catalog = tiny.catalog()

    vectors = table.vectors_of(catalog.ids)

    np.testing.assert_array_equal(vectors, tiny.vectors[catalog.rows])
    assert table.id == "made@4"
    with pytest.raises(rw.ConfigError, match="unknown ids such as 'zz'"):
        table.vectors_of(["zz"])
    with pytest.raises(rw.ConfigError, match="duplicate"):
        PrecomputedVectors(["a", "a"], np.ones((2, 2)))


def test_sentence_transformers_say_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)

    with pytest.raises(ImportError, match=r"pip install 'relweave\[text\]'"):
        rw.text.SentenceTransformerEncoder().encode(["a"])


def test_an_encoder_with_the_wrong_number_of_rows_is_refused(tiny):
    class Short(Counting):
        def encode(self, texts):
            return np.ones((3, 2), dtype=np.float32)

    with pytest.raises(rw.ShapeError, match=r"\(160, d\)"):
        rw.Recommender().fit(tiny.log(), tiny.catalog(), features=Short(), progress=False)
