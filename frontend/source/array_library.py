"""numpy."""
from typing import Any
NUMPY: dict[str, Any] = {}
ARRAY_ATTRIBUTES: dict[str, Any] = {}
