"""Saves that fail leave what was there, and no trace."""

from __future__ import annotations

import os
import resource
import signal

import numpy as np
import pytest
from conftest import SMALL

import relweave as rw


@pytest.fixture
def kept(model, tmp_path):
    """A saved model, and a check that it is still there and nothing else is."""
    model.save(tmp_path / "model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}

    def check():
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
        after = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
        assert after == before

    return tmp_path / "model", check


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        (None, rw.DTypeError, "got NoneType"),
        (3, rw.DTypeError, "got int"),
        (["model"], rw.DTypeError, "got list"),
        ("", rw.IoError, "the path of a folder"),
        ("a\0b", rw.IoError, "the path of a folder"),
        (b"\xff", rw.IoError, "UTF-8"),
        ("/proc/self/nowhere", rw.IoError, "/proc/self/nowhere"),
        ("/dev/null", rw.IoError, "not a relweave checkpoint"),
        ("/dev/null/model", rw.IoError, "Not a directory"),
        ("n" * 300, rw.IoError, "too long"),
    ],
)
def test_places_that_cannot_be_written_are_refused(
    model, monkeypatch, tmp_path, path, error, message
):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(error, match=message):
        model.save(path)
    with pytest.raises(error):
        rw.load(path)

    assert list(tmp_path.iterdir()) == []


def test_files_beside_a_checkpoint_are_not_lost(model, kept):
    folder, _ = kept
    (folder / "README.md").write_text("mine")

    with pytest.raises(rw.IoError, match=r"Move README\.md elsewhere"):
        model.save(folder)

    assert (folder / "README.md").read_text() == "mine"
    assert rw.load(folder).recommend(["u0"], k=3)[0].shape == (1, 3)


def test_a_file_size_limit_leaves_the_old_checkpoint(model, kept):
    """The file system refuses after some bytes, as a full disk does."""
    folder, check = kept
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))

    try:
        with pytest.raises(rw.IoError, match="File too large"):
            model.save(folder)
        with pytest.raises(rw.IoError, match="File too large"):
            model.save(folder.parent / "new")
        with pytest.raises(rw.IoError, match="File too large"):
            rw.io.save_safetensors(folder.parent / "t", {"a": np.ones(5000)})
        with pytest.raises(rw.IoError, match="File too large"):
            model.save(folder.parent / "deep" / "new" / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    check()


def test_no_free_file_descriptor_leaves_the_old_checkpoint(model, kept):
    folder, check = kept
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    spare = [os.open("/dev/null", os.O_RDONLY) for _ in range(4)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))

    try:
        with pytest.raises(rw.IoError, match="Too many open files"):
            model.save(folder)
        with pytest.raises(rw.IoError, match="Too many open files"):
            rw.load(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in spare:
            os.close(descriptor)

    assert len(os.listdir("/proc/self/fd")) == used
    check()


def test_an_unfitted_and_a_half_trained_model_are_not_saved(tiny, kept):
    folder, check = kept
    stopped = rw.Recommender(seed=3, **SMALL)
    stopped.fit(tiny.log(), tiny.catalog(), tiny.vectors, progress=lambda p: p.stage != "hgnn")

    for model, message in ((rw.Recommender(), "Call fit first"), (stopped, "stopped before")):
        with pytest.raises(rw.NotFittedError, match=message):
            model.save(folder)

    check()
