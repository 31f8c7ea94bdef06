"""The language reference: its examples hold, and its table of ops is that of the code."""

from __future__ import annotations

import re

import pytest

from ddc import ir
from ddc.ir.reference import README, form, updated

TEXT = README.read_text("utf-8")
EXAMPLES = re.findall(r"^```ddc\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_table_of_ops_is_up_to_date() -> None:
    assert updated(TEXT) == TEXT, "run python -m ddc.ir.reference"


def test_form_of_an_op() -> None:
    assert form(ir.OPS["threshold"]) == "threshold INT of %x, ... [weights [INT, ...]]"
    assert form(ir.OPS["select"]) == "select %x, %y, %z"
    assert form(ir.OPS["onehot"]) == "onehot %x size INT"


def test_every_op_stands_in_the_table() -> None:
    for code in ir.OPS:
        assert re.search(rf"^\| `{code} ", TEXT, re.MULTILINE), code


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example_verifies_and_is_canonical(example: str) -> None:
    module = ir.parse(example)
    printed = ir.print_module(module)
    bytes_shown = "const @w1 = .*"  # an example of base64, although so few are printed as numbers
    assert re.sub(bytes_shown, "", printed) == re.sub(bytes_shown, "", example)


def test_every_kind_of_reduction_and_evidence_is_documented() -> None:
    from ddc.ir.evidence import METHODS

    words = [*ir.REDUCTIONS, *METHODS, *(m for methods in METHODS.values() for m in methods if m)]
    for word in words:
        assert re.search(rf"`[^`\n]*\b{word}\b[^`\n]*`", TEXT), word
