"""What machines with devices, and with none, say of them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import relweave as rw
from relweave.cli import main


def test_the_configuration_lists_the_devices():
    config = rw.show_config()

    assert config["cuda"] is True
    assert len(config["cuda_devices"]) == 2
    device = config["cuda_devices"][1]
    assert device["compute_capability"] == "9.0"
    assert device["memory_bytes"] > 0
    assert device["multiprocessors"] > 0
    assert device["name"]


@pytest.mark.parametrize("cls", [rw.HGNN, rw.TwoTower, rw.Recommender])
def test_a_device_that_is_not_there_is_refused(cls):
    with pytest.raises(rw.DeviceError, match=r"got 'cuda:2', expected 'cuda:0' to 'cuda:1'"):
        cls(device="cuda:2")


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ("0", "got 'cuda:1', expected 'cpu': there is no CUDA device. Check the driver"),
        ("1", "got 'cuda:1', expected 'cuda:0', the only device"),
    ],
)
def test_a_machine_without_it_says_so(devices, message):
    program = (
        "import numpy as np, relweave as rw\n"
        "for make in (rw.HGNN, rw.TwoTower, rw.Recommender, lambda device: "
        "rw.ExactIndex(np.eye(2), device=device)):\n"
        "    try:\n"
        "        make(device='cuda:1')\n"
        "    except rw.DeviceError as error:\n"
        "        print(error)\n"
        "print(len(rw.show_config()['cuda_devices']))\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "RELWEAVE_EMULATION_DEVICES": devices},
        capture_output=True,
        text=True,
        check=True,
    )

    *errors, count = ran.stdout.splitlines()
    assert len(errors) == 4
    assert all(message in error for error in errors)
    assert count == devices


def test_commands_train_and_answer_on_a_device(world, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    np.save("vectors.npy", world.vectors[:20])
    (tmp_path / "items.csv").write_text("item\n" + "".join(f"i{k}\n" for k in range(20)))
    rows = zip(rng.integers(0, 9, 200), rng.integers(0, 20, 200), strict=True)
    (tmp_path / "log.csv").write_text("user,item\n" + "".join(f"u{u},i{i}\n" for u, i in rows))
    small = ("hgnn__epochs=1", "towers__epochs=1", "hgnn__layers=[8]", "towers__layers=[8]")
    fit = ["--interactions=log.csv", "--items=items.csv", "--user=user", "--item=item"]
    fit += ["--vectors=vectors.npy", "--no-progress", *(f"--set={x}" for x in small)]

    for device in ("cpu", "cuda:1"):
        assert main(["fit", *fit, f"--out={device}", f"--device={device}"]) == 0
        capsys.readouterr()
    ask = ["--users", "u1", "u2", "--k=4"]
    answers = []
    for device in ("cpu", "cuda"):
        assert main(["recommend", "--model=cuda:1", f"--device={device}", *ask]) == 0
        answers.append([row.split(",")[:3] for row in capsys.readouterr().out.splitlines()])

    assert answers[0] == answers[1]
    assert len(answers[0]) == 9
    a, b = (rw.load(device).item_vectors_ for device in ("cpu", "cuda:1"))
    np.testing.assert_allclose(a, b, atol=1e-3)
