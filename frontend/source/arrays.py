"""numpy arrays."""
from typing import Any
def binary(*a: Any) -> Any: raise NotImplementedError
unary = rows = function = update = get_item = set_item = binary
