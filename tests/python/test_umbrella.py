"""relweave.hpp holds every public header but those that it says are included by name."""

import re
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[2] / "include"
INSIDE_KERNELS = {"relweave/core/simd.hpp", "relweave/core/isa_dispatch.hpp"}


def test_the_umbrella_is_whole():
    ops = {
        path
        for path in INCLUDE.glob("relweave/ops/*/*.hpp")
        if path.stem == path.parent.name  # not its reference, backends and kernels
    }
    public = {*INCLUDE.glob("relweave/*/*.hpp"), *ops}
    text = (INCLUDE / "relweave" / "relweave.hpp").read_text()

    included = set(re.findall(r"#include <(.+)>", text))

    assert included == {str(p.relative_to(INCLUDE)) for p in public} - INSIDE_KERNELS
