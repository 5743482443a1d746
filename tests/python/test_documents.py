"""The documents against the tree: links, file names, and commands that are too slow to run."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *(
        ROOT / folder / "README.md"
        for folder in ("bench/peers", "examples/notebooks", "tests/data")
    ),
]
each_document = pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TREE = (
    "include/",
    "src/",
    "python/",
    "tests/",
    "bench/",
    "docs/",
    "examples/",
    "cmake/",
    "scripts/",
)


def prose(page):
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page):
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def commands():
    """Return every command of the documents' bash blocks, once."""
    found = {}
    for page in DOCUMENTS:
        for language, code in FENCE.findall(page.read_text(encoding="utf-8")):
            if language == "bash":
                for line in code.replace("\\\n", " ").splitlines():
                    parts = " ".join(shlex.split(line, comments=True, posix=False)).split("&&")
                    found |= dict.fromkeys(part.strip() for part in parts if part.strip())
    return list(found)


@each_document
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", prose(page)):
        if not target.startswith("http"):
            path, _, anchor = target.partition("#")
            goal = (page.parent / path).resolve() if path else page
            assert goal.exists(), target
            assert not anchor or anchor in anchors(goal), target


@each_document
def test_named_files_exist(page):
    for name in re.findall(r"`([^`\s]+/[^`\s]*)`", prose(page)):
        pattern = re.sub(r"my_op\*?|<\w+>", "*", name)
        if name.startswith(TREE) and "/m/" not in name and "bind_m" not in name:
            assert list(ROOT.glob(pattern.rstrip("/"))), name


@each_document
def test_lines_are_short_except_in_tables(page):
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        assert len(line) <= 120 or line.startswith("|"), f"line {number}"


def check_script(words):
    """Return whether a script of the tree knows these arguments."""
    text = (ROOT / words[0]).read_text(encoding="utf-8")
    flags = [word for word in words[1:] if word.startswith("--")]
    stages = words[1:] if words[0] == "scripts/test.sh" else []
    return all(f'"{flag}"' in text for flag in flags) and all(f"stage {s} " in text for s in stages)


def check_preset(words):
    presets = json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))
    kind = {"cmake": "configurePresets", "ctest": "testPresets"}[words[0]]
    kind = "buildPresets" if "--build" in words else kind
    if "--install" in words:
        return words[words.index("--install") + 1].removeprefix("build/") in {
            preset["name"] for preset in presets["configurePresets"]
        }
    return words[words.index("--preset") + 1] in {preset["name"] for preset in presets[kind]}


def check_pip(words):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.findall(r"\.\[([\w,]+)\]", " ".join(words))
    return set(",".join(extras).split(",")) <= {"", *project["optional-dependencies"]}


def check_program(words):
    folder = Path(words[0].removeprefix("build/dev/")).parent
    return (ROOT / folder / "CMakeLists.txt").is_file()


CHECKS = {
    r"scripts/\S+": check_script,
    "python (?=bench)": lambda words: check_script(words[1:]),
    r"(cmake|ctest) ": check_preset,
    "pip install": check_pip,
    "build/dev/": check_program,
    "pytest ": lambda words: (ROOT / words[1]).exists(),
    "relweave [a-z]": lambda words: all(
        f'"{word}"' in (ROOT / "python/relweave/cli.py").read_text() for word in words[1:2]
    ),
    "source build/venv/bin/activate|jupyter (lab|nbconvert) ": lambda words: True,
}


@pytest.mark.parametrize("command", commands())
def test_commands_are_ones_that_the_tree_knows(command):
    checks = [check for pattern, check in CHECKS.items() if re.match(pattern, command)]

    assert len(checks) == 1, "no check for such a command"
    assert checks[0](shlex.split(command))
