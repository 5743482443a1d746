"""One HTML file that holds everything: text, tables, pictures."""

from __future__ import annotations

import base64
import errno
import html
import io
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .errors import IoError, describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title><style>
:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}
h2{{margin-top:2em;border-bottom:1px solid rgba(128,128,128,.35)}}
.row{{display:flex;flex-wrap:wrap;gap:1em 3em;align-items:start;margin:1em 0;overflow-x:auto}}
img{{max-width:min(100%,28em);height:auto;margin:.5em .5em .5em 0}}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""


class Summary:
    """Collects parts and writes them as one page."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def paragraph(self, text: str) -> None:
        """Add plain text."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def tables(self, *markup: str) -> None:
        """Add ready HTML, such as a `_repr_html_`, side by side where there is room."""
        self._parts.append(f'<div class="row">{"".join(markup)}</div>')

    def figure(self, figure: Figure, alt: str) -> None:
        """Add a picture inside the page."""
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=110)
        code = base64.b64encode(data.getvalue()).decode()
        self._parts.append(f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{code}">')

    def write(self, path: Path) -> None:
        """Write the page, whole or not at all."""
        page = _PAGE.format(title=html.escape(self.title), body="\n".join(self._parts))
        write_text(path, page)


def write_text(path: Path, text: str) -> None:
    """Write a file of text, whole or not at all."""
    write_bytes(path, lambda stream: stream.write(text.encode()))


def write_bytes(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file, whole or not at all."""
    write_files({path: write})


def write_files(parts: Mapping[Path, Callable[[BinaryIO], object]]) -> None:
    """Let functions fill files beside their places and rename them when all are whole."""
    path = next(iter(parts))
    temporary: dict[Path, str] = {}
    try:
        for path, write in parts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            handle, temporary[path] = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
            with os.fdopen(handle, "wb") as stream:
                write(stream)
            os.chmod(temporary[path], 0o644)  # mkstemp makes it private
        for path in parts:
            os.replace(temporary[path], path)
            del temporary[path]
    except OSError as error:
        raise IoError(
            describe("write", str(path), str(error), "a place that can be written")
        ) from error
    finally:
        for name in temporary.values():
            os.unlink(name)
