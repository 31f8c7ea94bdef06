"""State dicts with the architecture that the user names: `--model package:factory`, and `--trust`.

The factory is the user's own code and runs; the weights are data. Needs torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ddc.ir import DdcError

from .records import Layer, Network, quote

MAX_MESSAGE = 400


def build(model: str, weights: Mapping[str, np.ndarray]) -> list[Layer]:
    """Return the layers of the network that a factory makes, with these weights."""
    torch = import_torch()
    from .torch_module import read_module

    made: Any = _call(model)
    if not isinstance(made, torch.nn.Module):
        raise DdcError(f"--model {quote(model)} returned {quote(type(made).__name__)}, no Module")
    tensors = {name: torch.from_numpy(_native(array)) for name, array in weights.items()}
    try:
        # `assign` keeps the file's dtype: copying float64 weights into float32 ones would round.
        made.load_state_dict(tensors, strict=True, assign=True)
    except RuntimeError as error:
        reason = _bounded(str(error))
        raise DdcError(f"--model {quote(model)} does not fit these weights: {reason}") from None
    return read_module(made).layers


def read_trusted(path: Path, model: str | None, digest: str) -> Network:
    """Return the network of a checkpoint whose code the user trusts: torch unpickles all of it."""
    torch = import_torch()
    from . import pt
    from .torch_module import read_module, to_array

    try:
        root = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # noqa: BLE001  trusted code may raise anything
        raise DdcError(f"torch.load failed: {_one_line(error)}") from None
    if isinstance(root, torch.nn.Module):
        found = read_module(root)
        return Network(found.layers, found.input, found.output, digest, str(path))
    if isinstance(root, dict):
        root = {key: _plain(value, to_array) for key, value in root.items()}
    return pt.network(root, model, digest, str(path))


def import_torch() -> Any:
    """Return the torch package; raise `DdcError` that says how to install it."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        raise DdcError("this needs torch: pip install 'deep-distilling-compiler[torch]'") from None


def _plain(value: Any, to_array: Any) -> object:
    if isinstance(value, dict):
        return {key: _plain(item, to_array) for key, item in value.items()}
    return to_array(value) if hasattr(value, "detach") else value


def _native(array: np.ndarray) -> np.ndarray:
    return np.array(array, array.dtype.newbyteorder("="))


def _call(model: str) -> object:
    """Return what the factory of `package:factory` or `FILE.py:factory` returns."""
    where, colon, name = model.rpartition(":")
    if not colon or not where or not name.isidentifier():
        raise DdcError(f"--model {quote(model)} is neither package:factory nor FILE.py:factory")
    try:
        module = (
            _load_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
        )
        factory = getattr(module, name)
        return factory()
    except SystemExit:
        raise DdcError(f"--model {quote(model)} failed: it left with sys.exit") from None
    except Exception as error:  # noqa: BLE001  the user's own code may raise anything
        raise DdcError(f"--model {quote(model)} failed: {_one_line(error)}") from None


def _load_file(path: Path) -> object:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise DdcError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # as when the file is run: its neighbours can be imported
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {_bounded(str(error))}"


def _bounded(text: str) -> str:
    """Return a message of somebody else's in one line of bounded length."""
    line = " ".join(text[: 4 * MAX_MESSAGE].split())
    return line if len(line) <= MAX_MESSAGE else line[:MAX_MESSAGE] + " ..."
