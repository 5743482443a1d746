"""Checkpoints that are damaged, foreign, newer, or contradict themselves."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import relweave as rw

FILES = ("manifest.json", "config.json", "tensors.safetensors")
GARBAGE = bytes(range(256)) * 8
ENCODER = rw.text.HashEncoder(8)


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory) -> Path:
    """A model with everything that a checkpoint can hold; tests must not change it."""
    catalog = tiny.catalog(metadata=["year", "language"])
    users = {"user": [f"u{k}" for k in range(120)], "age": np.arange(120)}
    settings = {"hgnn": {"layers": (8, 8), "epochs": 1}, "towers": {"layers": (8,), "epochs": 1}}
    model = rw.Recommender(seed=3, **settings)
    model.fit(tiny.log(), catalog, features=ENCODER, users=users, progress=False)
    columns = {"item": ["n"], "kind": ["song"], "title": ["x"], "year": [1992], "language": ["de"]}
    names = {"id": "item", "type": "kind", "text": "title", "metadata": ["year", "language"]}
    model.add_items(rw.Catalog(columns, **names))
    folder = tmp_path_factory.mktemp("whole") / "model"
    model.save(folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


def sign(folder):
    """Make the manifest agree with the files: what a careful forger or another program does."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("config.json", "tensors.safetensors"):
        data = (folder / name).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        manifest["files"][name] = {"bytes": len(data), "sha256": digest}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def set_config(folder, change):
    config = json.loads((folder / "config.json").read_text())
    extra = json.loads(config["extra"])
    change(config, extra)
    config["extra"] = json.dumps(extra)
    (folder / "config.json").write_text(json.dumps(config))
    sign(folder)


def set_tensors(folder, change):
    tensors = load_file(folder / "tensors.safetensors")
    change(tensors)
    arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    save_file(arrays, folder / "tensors.safetensors")
    sign(folder)


def flipped(data, place):
    copy = bytearray(data)
    copy[place] ^= 1
    return bytes(copy)


DAMAGES = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "one byte less": lambda data: data[:-2] if data.endswith(b"}\n") else data[:-1],
    "one byte more": lambda data: data + b"x",
    "garbage": lambda data: GARBAGE,
    "zeros": lambda data: bytes(len(data)),
    "first byte": lambda data: flipped(data, 0),
    "middle byte": lambda data: flipped(data, len(data) // 2),
    "last byte": lambda data: flipped(data, len(data) - 1),
}


def test_the_undamaged_copy_loads(folder):
    loaded = rw.load(folder)

    assert loaded.item_ids_[-1] == "n"
    assert np.isfinite(loaded.recommend(["u0"], k=3)[1]).all()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_damaged_in_every_way_is_refused(folder, name, damage):
    path = folder / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))

    with pytest.raises(rw.IoError, match="expected") as caught:
        rw.load(folder)

    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", ["nothing", "a folder", "a broken link", "an endless link"])
def test_every_file_missing_or_replaced_is_refused(folder, name, place):
    path = folder / name
    path.unlink()
    if place == "a folder":
        path.mkdir()
    elif place == "a broken link":
        path.symlink_to(folder / "nowhere")
    elif place == "an endless link":
        path.symlink_to(path)

    with pytest.raises(rw.IoError, match=str(folder)):
        rw.load(folder)


def test_any_byte_of_the_manifest_changed_is_refused_or_changes_nothing(folder):
    path = folder / "manifest.json"
    data = path.read_bytes()
    expected = rw.load(folder).item_vectors_
    refused = 0

    for place in range(0, len(data), 3):
        path.write_bytes(flipped(data, place))
        try:  # what does not count, such as the version that wrote it, may differ
            np.testing.assert_array_equal(rw.load(folder).item_vectors_, expected)
        except rw.IoError:
            refused += 1

    assert refused > len(data) / 6


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (2, "newer relweave; upgrade"),
        (2**63, "newer relweave; upgrade"),
        (0, "a number from 1 on"),
        (-1, "a number from 1 on"),
        (1.5, "without the manifest"),
        ("1", "without the manifest"),
        (None, "without the manifest"),
    ],
)
def test_other_schema_versions_are_refused(folder, version, message):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["schema_version"] = version
    (folder / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(rw.IoError, match=message):
        rw.load(folder)


@pytest.mark.parametrize(
    "files",
    [
        {"config.json": "{}", "model.safetensors": "x"},
        {"manifest.json": "{}"},
        {"manifest.json": '{"format": "other", "schema_version": 1, "files": {}}'},
        {"manifest.json": '{"format": "relweave checkpoint", "schema_version": 1}'},
        {"manifest.json": '{"format": "relweave checkpoint", "schema_version": 1, "files": []}'},
        {"manifest.json": '{"format": "relweave checkpoint", "schema_version": 1, "files": {}}'},
        {"manifest.json": "[]"},
    ],
)
def test_folders_of_other_programs_are_refused(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(rw.IoError, match=str(tmp_path)):
        rw.load(tmp_path)


def test_a_model_that_names_other_files_of_its_own_is_refused(folder):
    """A checkpoint of the same program that holds no recommender."""
    (folder / "config.json").write_text('{"answer": 42}')
    sign(folder)

    with pytest.raises(rw.IoError, match="a saved recommender"):
        rw.load(folder)


def drop(*path):
    def change(config, extra):
        at = {"config": config, "extra": extra}[path[0]]
        for key in path[1:-1]:
            at = at[key]
        del at[path[-1]]

    return change


def put(*path_and_value):
    *path, value = path_and_value

    def change(config, extra):
        at = {"config": config, "extra": extra}[path[0]]
        for key in path[1:-1]:
            at = at[key]
        at[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        drop("config", "recommender"),
        drop("config", "item_types"),
        drop("config", "graph_report", "links"),
        drop("config", "tower_history"),
        put("config", "recommender", None),
        put("config", "recommender", "use_hgnn", "yes"),
        put("config", "recommender", "use_hgnn", False),
        put("config", "recommender", "hgnn", "layers", [8, 9]),
        put("config", "recommender", "hgnn", "layers", [2**40]),
        put("config", "recommender", "hgnn", "layers", []),
        put("config", "recommender", "hgnn", "epoch", 3),
        put("config", "recommender", "towers", "layers", [8, 8]),
        put("config", "recommender", "towers", "temperature", 0),
        put("config", "recommender", "towers", "batch", 1e300),
        put("config", "item_types", "names", ["a"]),
        put("config", "item_types", "names", ["a", "a", "a"]),
        put("config", "item_types", "offsets", [0, 100, 50, 160]),
        put("config", "item_types", "offsets", [0, 10, 20, 2**62]),
        put("config", "item_types", "offsets", [0, 53.5, 106, 160]),
        put("config", "graph_report", "links", "many"),
        put("config", "graph_report", "links", 1e300),
        put("config", "tower_history", "best_epoch", 1e300),
        put("config", "user_features", 2),
        put("config", "user_features", -1),
        put("config", "unseen_bias", None),
        put("config", "unseen_bias", 1e300),
        drop("extra", "items"),
        drop("extra", "users"),
        drop("extra", "columns"),
        drop("extra", "fit_report", "events"),
        put("extra", "users", None),
        put("extra", "items", "encoder_id", 7),
        put("extra", "items", "text_width", 9),
        put("extra", "items", "text_width", -1),
        put("extra", "items", "metadata", []),
        put("extra", "items", "metadata", 0, "name", None),
        put("extra", "items", "metadata", 0, "deviation", 0),
        put("extra", "items", "metadata", 0, "mean", "x"),
        put("extra", "items", "metadata", 1, "categories", [1, 2]),
        put("extra", "users", "id_column", 5),
        put("extra", "users", "columns", []),
        put("extra", "fit_report", "events", -1),
        put("extra", "fit_report", "types_without_events", [1]),
        put("extra", "columns", {"log": {"user": 3}, "items": {}}),
        put("extra", "columns", []),
    ],
)
def test_settings_that_contradict_the_tensors_or_themselves_are_refused(folder, change):
    set_config(folder, change)

    with pytest.raises(rw.IoError, match=str(folder)):
        rw.load(folder)


@pytest.mark.parametrize("extra", ["no JSON", "[]", "{}", "null", 5, None])
def test_extra_text_of_another_kind_is_refused(folder, extra):
    config = json.loads((folder / "config.json").read_text())
    config["extra"] = extra
    (folder / "config.json").write_text(json.dumps(config))
    sign(folder)

    with pytest.raises(rw.IoError, match="expected a saved"):
        rw.load(folder)


MISSHAPEN = {
    "missing": lambda a: None,
    "one row less": lambda a: a[:-1],
    "twice as many rows": lambda a: np.concatenate([a, a]),
    "one dimension more": lambda a: a[None],
    "another type": lambda a: a.astype(np.float32 if a.dtype != np.float32 else np.float64),
    "NaN, or far outside": lambda a: np.full_like(
        a, np.nan if a.dtype.kind == "f" else np.iinfo(a.dtype).max
    ),
}
HARMLESS = {  # any whole number is a time, a count, or a flag
    ("links.count", "NaN, or far outside"),
    ("log.times", "NaN, or far outside"),
    ("log.strong", "NaN, or far outside"),
}
TENSORS = [
    *("items.bytes", "items.offsets", "users.bytes", "users.offsets"),
    *("item_features", "user_features", "general_vectors", "tower_vectors", "item_bias"),
    *("links.lower", "links.upper", "links.count", "links.weight"),
    *("log.offsets", "log.items", "log.times", "log.strong"),
    *("added.types", "added.tower_vectors"),
    *("hgnn.layers.0.self.book.weight", "hgnn.layers.1.message.book__co__game.bias"),
]


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("defect", MISSHAPEN)
def test_misshapen_tensors_are_refused(folder, name, defect):
    def change(tensors):
        value = MISSHAPEN[defect](tensors.pop(name))
        if value is not None:
            tensors[name] = value

    set_tensors(folder, change)

    if (name, defect) in HARMLESS:
        assert np.isfinite(rw.load(folder).recommend(["u0"], k=3)[1]).all()
        return
    with pytest.raises(rw.IoError, match=str(folder)):
        rw.load(folder)


def test_every_tower_tensor_that_is_not_finite_is_refused(whole, tmp_path):
    names = [n for n in load_file(whole / "tensors.safetensors") if n.startswith("towers.")]

    for name in names:
        folder = Path(shutil.copytree(whole, tmp_path / name))
        set_tensors(folder, lambda tensors, name=name: tensors[name].fill(np.inf))
        with pytest.raises(rw.IoError, match="finite"):
            rw.load(folder)
    assert len(names) >= 2


def test_unsorted_times_are_refused(folder):
    set_tensors(folder, lambda tensors: tensors.update({"log.times": tensors["log.times"][::-1]}))

    with pytest.raises(rw.IoError, match="ascending times"):
        rw.load(folder)


def test_an_encoder_of_another_width_or_name_is_refused_after_loading(folder):
    names = {"id": "item", "type": "kind", "text": "title", "metadata": ["year", "language"]}
    columns = {"item": ["m"], "kind": ["song"], "title": ["x"], "year": [1992], "language": ["de"]}
    new = rw.Catalog(columns, **names)
    loaded = rw.load(folder)

    for ask in (loaded.embed_items, loaded.add_items):
        with pytest.raises(rw.ConfigError, match=r"hash/3-4-5/seed0@16.*seed0@8, as in training"):
            ask(new, rw.text.HashEncoder(16))
        with pytest.raises(rw.ShapeError, match="8 columns, as in training"):
            ask(new, np.ones((1, 16)))
        with pytest.raises(rw.ConfigError, match="an encoder"):
            ask(new)
    assert loaded.item_ids_[-1] == "n"
    assert loaded.embed_items(new, ENCODER).shape == (1, 8)
