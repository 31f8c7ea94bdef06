"""Samples from .npz and .csv files: what is read, what is inferred, what is refused."""

import io
import keyword
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddc.frontend import Samples, identifier, read_samples
from ddc.frontend.names import place
from ddc.frontend.samples import infer
from ddc.ir import DdcError


def refuse(path: Path, says: str) -> None:
    with pytest.raises(DdcError, match=says) as caught:
        read_samples(path)
    assert "\n" not in str(caught.value)


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "data.csv"
    path.write_text(text)
    return path


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=np.eye(3), y=np.arange(3))
    samples = read_samples(path)
    assert list(samples.arrays) == ["x"] and samples.y is not None
    assert str(infer(samples)) == "x: bit[3]"
    np.savez_compressed(path, left=np.ones((4, 2, 5)), right=np.arange(4))
    assert str(infer(read_samples(path))) == "left: bit[2, 5], right: int<0..3>"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[True, False]], "x: bit[2]"),
        ([[0.0, 1.0]], "x: bit[2]"),
        ([[1, 1]], "x: bit[2]"),
        ([[-1, 1], [1, 1]], "x: int{-1, 1}[2]"),
        ([[-1, 1], [0, 1]], "x: int<-1..1>[2]"),
        ([[0, 2]], "x: int<0..2>[2]"),
        ([[7, 255]], "x: int<7..255>[2]"),
        ([[0, 256]], "x: real[2]"),
        ([[0, 0.5]], "x: real[2]"),
        ([[1e300, 0]], "x: real[2]"),
        ([3, 4], "x: int<3..4>"),
        ([[[0, 1], [1, 1]]], "x: bit[2, 2]"),
    ],
)
def test_inference(values: object, expected: str) -> None:
    assert str(infer(Samples({"x": np.array(values)}))) == expected


def test_missing_values_have_no_signature() -> None:
    values = np.array([[0.0, 1.0], [np.nan, np.inf]])
    with pytest.raises(DdcError, match=r"--data: x is nan at index \[1, 0\] \(2 such values\)"):
        infer(Samples({"x": values}))


def test_csv(tmp_path: Path) -> None:
    text = "age,priors,two words,y\n31.5,4,0,1\n18,0,1,0\n\n"
    samples = read_samples(table(tmp_path, text))
    assert str(infer(samples)) == "age: real, priors: int<0..4>, two_words: bit"
    assert samples.y is not None and samples.y.tolist() == [1, 0]


def test_numbered_columns_are_one_array(tmp_path: Path) -> None:
    text = "x0,x1,x2,a_1,a_2,b7,c1,c3\n" + "0,1,1,2,0,1,1,1\n" * 2
    signature = str(infer(read_samples(table(tmp_path, text))))
    assert signature == "x: bit[3], a: int<0..2>[2], b7: bit, c1: bit, c3: bit"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "header and at least one row"),
        ("a,b\n", "header and at least one row"),
        ("a,b\n1\n", "as many cells"),
        ("a,b\n1,x\n", "row 1, column 'b': 'x' is no finite number"),
        ("a,b\n1,\n", "column 'b': ''"),
        ("a,b\n1,nan\n", "no finite number"),
        ("a,b\n1,1e999\n", "no finite number"),
        ("a,a\n1,2\n", "two columns have one name"),
        ("a b,a_b\n1,2\n", "two inputs would be called a_b"),
        ("y\n1\n", "at least one sample"),
        (",".join("ab" * 3000) + "\n" + ",".join("1" * 6000) + "\n", "as many cells|columns"),
    ],
)
def test_tables_that_are_wrong(text: str, says: str, tmp_path: Path) -> None:
    refuse(table(tmp_path, text), says)


def test_files_that_are_wrong(tmp_path: Path) -> None:
    refuse(tmp_path / "missing.npz", "No such file")
    (tmp_path / "data.txt").write_text("1")
    refuse(tmp_path / "data.txt", r"\.npz files and \.csv files")
    path = tmp_path / "data.npz"
    path.write_bytes(b"PK\3\4 hello")
    refuse(path, "no .npz file")
    np.savez(path, x=np.array([{}], dtype=object))
    refuse(path, "pickled")
    np.savez(path, x=np.array(["a"]))
    refuse(path, "'x' does not hold numbers")
    np.savez(path, x=np.array(5))
    refuse(path, "does not hold numbers")
    np.savez(path, x=np.zeros((2, 3)), y=np.zeros(3))
    refuse(path, "y has 3 labels for 2 samples")
    np.savez(path, x=np.zeros((0, 3)))
    refuse(path, "at least one sample")
    np.savez(path, **{"a b": np.zeros(1), "a_b": np.zeros(1)}, allow_pickle=False)
    refuse(path, "two inputs would be called a_b")


def test_archive_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ddc.frontend import samples

    monkeypatch.setattr(samples, "MAX_BYTES", 100_000)
    path = tmp_path / "data.npz"
    np.savez_compressed(path, x=np.zeros((1000, 100)))
    refuse(path, "unpacks to 800")


def test_header_that_claims_too_much(tmp_path: Path) -> None:
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 8)}
    np.lib.format.write_array_header_2_0(stream, header)
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", stream.getvalue())
    refuse(path, "no .npz file, a damaged one")


def test_identifiers() -> None:
    assert identifier("rule30") == "rule30"
    assert identifier("my net; import os") == "my_net_import_os"
    assert identifier("30 rules") == "x_30_rules"
    assert identifier("_private") == "private"
    assert identifier("lambda") == "lambda_"
    assert identifier("match") == "match_"
    assert identifier("\u00e9t\u00e9") == "ete"
    assert identifier("\u96ea", "net") == "net"
    assert identifier("", "net") == "net"


@given(st.text(max_size=300))
def test_any_text_becomes_an_identifier(text: str) -> None:
    name = identifier(text, "net")
    assert name.isidentifier() and name.isascii() and not name.startswith("_")
    assert not keyword.iskeyword(name) and len(name) <= 70
    assert place(text).isascii() and 0 < len(place(text)) <= 60
