"""Data files of `ddc run`: tables by the names of inputs, and damaged files in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ddc.arrays import read_inputs
from ddc.ir import DdcError

TABLES = {
    "x0,x1,x2\n1,0,1\n0,0,1\n": ["x"],
    "\ufeffx0, x1 ,x2\r\n1,0,1\r\n0,0,1\r\n": ["x"],
    '"x0","x1","x2"\n1,0,1\n0,0,1\n': ["x"],
    "y,x0,x1,x2\n7,1,0,1\n7,0,0,1\n": ["x"],
    "is hot,class,b-c\n1,0,1\n0,0,1\n": ["is_hot", "class_", "b_c"],
    "x0,x1,x2\n1,0,1\n0,0,1": ["x0", "x1", "x2"],
}


@pytest.mark.parametrize("text", TABLES)
def test_columns_have_the_names_of_inputs(text: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(text, encoding="utf-8", newline="")
    found = read_inputs(str(tmp_path / "data.csv"), TABLES[text])
    rows = np.concatenate([np.reshape(array, (2, -1)) for array in found], axis=1)
    assert rows.tolist() == [[1, 0, 1], [0, 0, 1]]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "needs a header and at least one row"),
        ("header.csv", b"x0,x1\n", "needs a header and at least one row"),
        ("words.csv", b"x\none\n", "could not convert"),
        ("ragged.csv", b"x0,x1\n1,2\n1\n", "changed from 2 to 1"),
        ("twice.csv", b"x,x\n1,2\n", "two columns have one name"),
        ("bytes.csv", b"\xff\xfe\x00", "can't decode"),
        ("pickle.npy", b"junk" * 50, "it holds no plain numbers"),
        ("junk.npz", b"PK\x03\x04" + b"junk" * 50, "not a zip file"),
        ("none.npz", b"PK\x05\x06" + bytes(18), "has no 'x'"),
        ("header.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{'descr'", "reading array header"),
    ],
)
def test_damaged_files_are_one_line(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DdcError, match=says) as caught:
        read_inputs(str(tmp_path / name), ["x"])
    assert "\n" not in str(caught.value) and "pickle.load" not in str(caught.value)
    assert name in str(caught.value)
