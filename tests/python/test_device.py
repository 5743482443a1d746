"""What device= takes in a build without CUDA; tests/python_device has the rest."""

from __future__ import annotations

import numpy as np
import pytest

import relweave as rw
from relweave import quickstart
from relweave.cli import main

VECTORS = np.eye(3, dtype=np.float32)


def index(device):
    return rw.ExactIndex(VECTORS, device=device)


def hgnn(device):
    return rw.HGNN(device=device)


def towers(device):
    return rw.TwoTower(device=device)


def recommender(device):
    return rw.Recommender(device=device)


def loaded(device):
    return rw.load("nowhere", device=device)


def quick(device):
    return quickstart.run("nowhere/at/all", device=device)


DOORS = [index, hgnn, towers, recommender, loaded, quick]
NAMES = ["ExactIndex", "HGNN", "TwoTower", "Recommender", "Recommender.load", "quickstart"]


@pytest.mark.parametrize(("door", "name"), list(zip(DOORS, NAMES, strict=True)))
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:3"])
def test_cuda_in_a_build_without_it_is_refused_before_any_work(door, name, device):
    with pytest.raises(rw.NotCompiledError) as raised:
        door(device)

    assert str(raised.value) == (
        f"{name}: device: got '{device}', expected 'cpu', since this build has no CUDA. "
        "With the toolkit, `pip install . -Ccmake.define.RELWEAVE_CUDA=ON` builds it."
    )


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "device",
    ["gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cuda:1 ", "cuda:٣", "cuda:12345", "", None, 0],
)
def test_other_words_are_refused_with_those_that_exist(door, device):
    with pytest.raises(rw.ConfigError, match=r"device: got .*expected 'cpu', 'cuda' or 'cuda:N'"):
        door(device)


def test_a_misspelt_device_is_told_the_near_one():
    with pytest.raises(rw.ConfigError, match="Did you mean 'cuda'"):
        rw.HGNN(device="cudda")


def test_a_setting_that_came_later_is_refused_by_the_fit(tiny, model):
    graph = rw.CoInteractionGraph.build(tiny.log(), tiny.catalog())
    data = tiny.log(), tiny.catalog(), tiny.vectors

    for late, fit in (
        (rw.HGNN(), lambda m: m.fit(graph, tiny.vectors)),
        (rw.TwoTower(), lambda m: m.fit(*data, tiny.vectors)),
        (rw.Recommender(), lambda m: m.fit(*data)),
    ):
        with pytest.raises(rw.NotCompiledError, match="no CUDA"):
            fit(late.set_params(device="cuda"))
        with pytest.raises(rw.ConfigError, match="expected 'cpu'"):
            fit(late.set_params(device="gpu"))


@pytest.mark.parametrize(
    "command",
    [
        ["fit", "--interactions=a", "--items=b", "--user=u", "--item=i", "--out=c"],
        ["quickstart", "--out=c"],
        ["recommend", "--model=m"],
        ["evaluate", "--model=m", "--test=t"],
        ["embed", "--model=m", "--out=o.npy"],
    ],
)
def test_commands_refuse_a_device_before_they_look_for_files(
    command, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for device, message in (("cuda", "this build has no CUDA"), ("gpu", "expected 'cpu', 'cuda'")):
        assert main([*command, "--device", device]) == 2
        assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_configuration_says_that_there_is_no_cuda():
    config = rw.show_config()

    assert config["cuda"] is False
    assert config["cuda_devices"] == []


class There:
    """An array in memory that the processor cannot read."""

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, **_):
        raise AssertionError("the memory must not be asked for")


def test_arrays_on_a_device_are_refused_on_the_cpu(tiny):
    graph = rw.CoInteractionGraph.build(tiny.log(), tiny.catalog())
    data = tiny.log(), tiny.catalog()

    for fit in (
        lambda: rw.HGNN().fit(graph, There()),
        lambda: rw.TwoTower().fit(*data, There(), tiny.vectors),
        lambda: rw.TwoTower().fit(*data, tiny.vectors, There()),
        lambda: rw.Recommender().fit(*data, There()),
        lambda: rw.ExactIndex(There()),
    ):
        with pytest.raises(rw.DeviceError, match="device type 2, expected that of the CPU"):
            fit()
