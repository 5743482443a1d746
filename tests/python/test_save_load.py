import json
import shutil

import numpy as np
import pytest
from conftest import SMALL, TASTES
from safetensors.numpy import load_file

import relweave as rw


def test_a_loaded_model_answers_the_same(model, tmp_path):
    model.save(tmp_path / "model")

    loaded = rw.load(tmp_path / "model")

    ids, scores = model.recommend(["u0", "u7", "nobody"], k=5)
    ids_again, scores_again = loaded.recommend(["u0", "u7", "nobody"], k=5)
    assert ids.tolist() == ids_again.tolist()
    np.testing.assert_array_equal(scores, scores_again)
    np.testing.assert_array_equal(model.general_vectors_, loaded.general_vectors_)
    assert loaded.similar_items(["i0"])[0].tolist() == model.similar_items(["i0"])[0].tolist()
    assert loaded.fit_report_ == model.fit_report_
    assert loaded.history_ == model.history_
    assert loaded.columns_ == model.columns_
    assert loaded.graph_.report() == model.graph_.report()
    assert {**loaded.get_params(), "hgnn": 0, "towers": 0, "graph": 0} == {
        **model.get_params(),
        "hgnn": 0,
        "towers": 0,
        "graph": 0,
    }


def test_new_items_after_loading(tiny, tmp_path):
    encoder = rw.text.HashEncoder(32)
    users = {"user": [f"u{k}" for k in range(120)], "age": np.arange(120)}
    catalog = tiny.catalog(metadata=["year", "language"])
    model = rw.Recommender(seed=3, **SMALL)
    model.fit(tiny.log(), catalog, features=encoder, users=users, progress=False)
    columns = {"item": ["n"], "kind": ["book"], "title": ["x"], "year": [1992], "language": ["de"]}
    new = rw.Catalog(columns, id="item", type="kind", text="title", metadata=["year", "language"])
    model.add_items(new)
    model.save(tmp_path / "model")

    loaded = rw.load(tmp_path / "model", threads=1)

    assert loaded.item_ids_[-1] == "n"
    np.testing.assert_array_equal(loaded.embed_items(new, features=encoder), model.embed_items(new))
    told = {"user": ["u0"], "age": [99]}
    np.testing.assert_array_equal(
        loaded.recommend(["u0"], users=told)[1], model.recommend(["u0"], users=told)[1]
    )
    with pytest.raises(rw.ShapeError, match="32 columns, as in training"):
        loaded.embed_items(new, features=np.ones((1, 16)))
    with pytest.raises(rw.ConfigError, match="hash/3-4-5/seed0@64"):
        loaded.embed_items(new, features=rw.text.HashEncoder(64))
    with pytest.raises(rw.ConfigError, match="an encoder"):
        loaded.embed_items(new)


def test_the_checkpoint_is_safetensors_and_json(model, tmp_path):
    model.save(tmp_path / "model")

    tensors = load_file(tmp_path / "model" / "tensors.safetensors")

    np.testing.assert_array_equal(tensors["general_vectors"], model.general_vectors_)
    assert json.loads((tmp_path / "model" / "config.json").read_text())


def test_saving_over_a_model_replaces_it(model, tiny, tmp_path):
    other = rw.Recommender(seed=4, use_hgnn=False, **SMALL)
    other.fit(tiny.log(), tiny.catalog(), features=tiny.vectors, progress=False)
    model.save(tmp_path / "model")

    other.save(tmp_path / "model")

    assert rw.load(tmp_path / "model").general_vectors_.shape[1] == TASTES
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_missing_and_foreign_folders_are_refused(model, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text("{}")

    for name in ("nothing", "empty", "file", "foreign"):
        with pytest.raises(rw.IoError):
            rw.load(tmp_path / name)


@pytest.mark.parametrize("damage", ["truncate", "flip", "config", "remove"])
def test_damaged_checkpoints_are_refused(model, tmp_path, damage):
    folder = tmp_path / "model"
    model.save(folder)
    tensors = folder / "tensors.safetensors"
    data = bytearray(tensors.read_bytes())
    if damage == "truncate":
        tensors.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        data[-1] ^= 1
        tensors.write_bytes(data)
    elif damage == "config":
        config = folder / "config.json"
        config.write_text(config.read_text().replace('"epochs": 8', '"epochs": 9'))
    else:
        tensors.unlink()

    with pytest.raises(rw.IoError):
        rw.load(folder)


def test_an_unwritable_place_is_refused_and_nothing_is_left(model, tmp_path):
    (tmp_path / "file").write_text("x")

    with pytest.raises(rw.IoError):
        model.save(tmp_path / "file" / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_cuda_is_refused_at_loading(model, tmp_path):
    model.save(tmp_path / "model")

    with pytest.raises(rw.NotCompiledError):
        rw.load(tmp_path / "model", device="cuda")
    shutil.rmtree(tmp_path / "model")
