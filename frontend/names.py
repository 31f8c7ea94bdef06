"""Names that strangers chose, made identifiers."""

from __future__ import annotations

import keyword
import re
import unicodedata

MAX_NAME = 60


def identifier(text: str, default: str = "x") -> str:
    """Return a public ASCII identifier that is no Python keyword, as close to `text` as it goes."""
    plain = unicodedata.normalize("NFKD", text[: 4 * MAX_NAME]).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")[:MAX_NAME].strip("_")
    if not name:
        return default
    if name[0].isdigit():
        name = f"{default}_{name}"
    return f"{name}_" if keyword.iskeyword(name) or keyword.issoftkeyword(name) else name


def place(path: str) -> str:
    """Return a layer's position in a file as printable text of bounded length."""
    return re.sub(r"[^A-Za-z0-9_.]+", "_", path[: 2 * MAX_NAME])[:MAX_NAME] or "layer"
