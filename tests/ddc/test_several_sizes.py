"""One task trained at several sizes, where small networks have programs of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ddc
from ddc.ir import DdcError, Module, print_module
from tests.passes.orders.test_orders import pairs


def files(folder: Path, nets: dict[str, Module]) -> list[str]:
    for name, net in nets.items():
        (folder / f"{name}.ddc").write_text(print_module(net))
    return [str(folder / f"{name}.ddc") for name in nets]


def test_the_largest_network_tells_what_the_others_are(tmp_path: Path) -> None:
    # Three numbers have no tie of three that is not a tie of all: two programs are right there.
    nets = {f"n{size}": pairs(size, size - 2) for size in (3, 4, 5)}
    program = ddc.compile(*files(tmp_path, nets), name="place")
    assert [claim.kind for claim in program.evidence] == ["proved"] * 3 + ["inferred"]
    for size in (3, 5, 200):
        x = np.random.default_rng(size).permutation(size)
        assert int(program(x)) == int(x.argmax())


def test_different_tasks_are_no_sizes_of_one(tmp_path: Path) -> None:
    nets = {"greatest": pairs(3, 1), "least": pairs(4, 2, slope=-1.0)}
    with pytest.raises(DdcError, match="differ"):
        ddc.compile(*files(tmp_path, nets), name="place")
