"""`ddc verify` of Python programs over time: as written, edited, and wrong."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import ddc
from ddc import verification
from ddc.ir import MismatchError
from ddc.options import Options
from ddc.verification import verify_program

EXAMPLES = Path(__file__).parents[2] / "examples" / "recurrent"


@pytest.fixture
def model(tmp_path: Path) -> str:
    ddc.compile(str(EXAMPLES / "Add_Mod_3.pt")).save(tmp_path / "program.py")
    return str(EXAMPLES / "Add_Mod_3.pt")


def edited(tmp_path: Path, old: str, new: str) -> str:
    text = (tmp_path / "program.py").read_text()
    assert old in text
    path = tmp_path / "edited.py"
    path.write_text(text.replace(old, new))
    return str(path)


def test_a_program_as_written_is_proved_for_every_length(model: str, tmp_path: Path) -> None:
    (claim,) = verify_program(model, str(tmp_path / "program.py"), Options())
    assert (claim.kind, claim.method) == ("proved", "induction")
    assert dict(claim.details)["lengths"] == "all"


def test_an_edited_program_is_proved_at_the_trained_length(model: str, tmp_path: Path) -> None:
    claims = verify_program(model, edited(tmp_path, "% 3", "% 3 + 0"), Options())
    assert [(c.kind, c.method) for c in claims] == [("proved", "exhaustive"), ("inferred", "")]
    assert dict(claims[0].details)["sequences"] == 3**10


def test_other_names_keep_the_proof_for_every_length(model: str, tmp_path: Path) -> None:
    text = (tmp_path / "program.py").read_text()
    head, docstring, body = text.split('"""', 2)
    names = sorted(set(re.findall(r"\b[a-z_]+(?= :?= )|(?<=for )[a-z_]+", body)) - {"x"})
    assert names
    for name in names:
        body = re.sub(rf"\b{name}\b", f"{name}_of_mine", body)
    renamed = tmp_path / "renamed.py"
    renamed.write_text(f'{head}"""{docstring}"""{body}')
    (claim,) = verify_program(model, str(renamed), Options())
    assert dict(claim.details)["lengths"] == "all"


LAST = "def f(x):\n    last = 0\n    return [last := max(last, v) for v in x]\n"
HELPER = "def f(x):\n    return g(x, rank=1)\ndef g(y, rank):\n    return y\n"
HIDDEN = "def f(x):\n    max = 1\n    return x\ndef g(y):\n    return max(y)\n"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (LAST, LAST.replace("last", "m").replace("v", "q"), True),
        (LAST, LAST.replace("last = 0", '"""Doc."""\n    last = 0'), True),
        (LAST, LAST.replace("last", "v"), False),
        (LAST, LAST.replace("max", "min"), False),
        (LAST, LAST.replace("0", "1"), False),
        (HELPER, HELPER.replace("rank", "r"), True),
        (HELPER, HELPER.replace("rank)", "r)"), False),
        (HIDDEN, HIDDEN.replace("max", "foo"), False),
    ],
)
def test_what_is_the_same_text_but_for_names(one: str, other: str, same: bool) -> None:
    codes = [verification._code(ast.parse(text)) for text in (one, other)]
    assert (codes[0] == codes[1]) == same


def test_a_program_of_one_length_is_compared_at_that(model: str, tmp_path: Path) -> None:
    program = edited(tmp_path, "or not x", "or len(x) != 10")
    (claim,) = verify_program(model, program, Options())
    assert (claim.kind, claim.method) == ("proved", "exhaustive")


def test_a_wrong_edit_is_refuted_by_the_shortest_word(model: str, tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match=r"at step 2 it answers 3, not 0"):
        verify_program(model, edited(tmp_path, "% 3", "% 4"), Options())


def test_several_results_and_unbounded_integers(tmp_path: Path) -> None:
    model = str(EXAMPLES / "Newton_Magnetic.pt")
    ddc.compile(model).save(tmp_path / "program.py")
    (claim,) = verify_program(model, str(tmp_path / "program.py"), Options())
    assert (claim.kind, claim.method) == ("proved", "induction")
