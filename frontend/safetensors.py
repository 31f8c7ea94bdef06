"""Read `.safetensors`: named weights and string metadata; the architecture comes from a factory."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ddc.ir import DdcError

from .files import read_bytes
from .records import Network, about, quote
from .tensors import decode

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def read(path: Path, model: str | None, trust: bool) -> Network:
    """Return the network of a `.safetensors` file, built by the factory that `model` names."""
    from safetensors import SafetensorError, deserialize, safe_open

    from . import pt

    with about(str(path)):
        data = read_bytes(path)
        try:
            entries = deserialize(data)  # type: ignore[no-untyped-call]
            with safe_open(path, framework="np") as opened:
                metadata: dict[str, str] = opened.metadata() or {}
        except (SafetensorError, OSError) as error:
            raise DdcError(f"a damaged or truncated safetensors file: {quote(error)}") from None
        weights: dict[str, object] = {}
        for name, entry in entries:
            dtype = DTYPES.get(entry["dtype"])
            if dtype is None:
                raise DdcError(f"{quote(name)} has dtype {quote(entry['dtype'])}, not supported")
            weights[name] = decode(entry["data"], dtype).reshape(entry["shape"])
        digest = hashlib.sha256(data).hexdigest()
        found = pt.network({"state_dict": weights}, model, digest, str(path))
        signature = [metadata.get(f"ddc_{key}", metadata.get(key)) for key in ("input", "output")]
        return Network(found.layers, signature[0], signature[1], digest, str(path))
