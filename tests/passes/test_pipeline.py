"""The pass manager: syntax, options, instruments, broken passes, and the page that lists them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from ddc import cli
from ddc.ir import DdcError, Module, UsageError, parse
from ddc.passes import Context, Instruments, Pass, PassError, describe, render, run
from ddc.passes import parse as parse_pipeline

TEXT = """\
func @f(%x: bit, %y: bit) -> (%z: bit) {
  %a = and %x, 1
  %z = table [0, 1, 1, 0] of %a, %y
  return %z
}
"""


def test_pipeline_text_round_trips() -> None:
    text = "tabulate{max-inputs=20,max-vars=8},roll,minimise{max-vars=10},hoist"
    assert render(parse_pipeline(text)) == text
    assert render(parse_pipeline(" fold , dce ")) == "fold,dce"
    assert parse_pipeline("") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "there is no pass 'nonsense'; `ddc passes` lists them"),
        ("fold{x=1}", "the pass 'fold' has no option 'x'"),
        ("minimise{max-vars=many}", "minimise: max-vars is a number from 0 to 9999, not 'many'"),
        ("minimise{max-vars}", "minimise: an option is written key=value, not 'max-vars'"),
        ("fold;dce", "cannot read the pipeline from 'fold;dce'"),
    ],
)
def test_bad_pipelines(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_pipeline(text)
    assert str(caught.value) == message


def test_options_change_what_a_pass_does() -> None:
    module = parse(TEXT)
    kept = run(module, "minimise{max-vars=1}")
    assert [op.code for op in kept.entry.body.ops] == ["and", "table"]
    short = run(module, "fold,minimise")
    assert [op.code for op in short.entry.body.ops] == ["xor"]


def test_instruments_see_every_pass() -> None:
    seen: list[str] = []
    watch = Instruments(lambda name, before, after: seen.append(name), [])
    run(parse(TEXT), "fold,minimise,dce", instruments=watch)
    assert seen == ["fold", "minimise", "dce"]
    assert watch.timings is not None and [name for name, _ in watch.timings] == seen


@dataclass(frozen=True)
class Breaking(Pass):
    """Return a module that does not verify, or fail."""

    name: ClassVar[str] = "breaking"
    how: str = "raise"

    def run(self, module: Module, context: Context) -> Module:
        if self.how == "raise":
            raise ZeroDivisionError("inside")
        if self.how == "refuse":
            raise DdcError("not this one")
        return Module(module.functions + module.functions)


def test_a_broken_pass_is_named_with_the_module_before_it() -> None:
    module = parse(TEXT)
    for how, reason in (("raise", "ZeroDivisionError: inside"), ("return", "defined twice")):
        with pytest.raises(PassError) as caught:
            run(module, [Breaking(how)])
        assert "pass 'breaking'" in str(caught.value) and reason in str(caught.value)
        assert caught.value.before == module
    with pytest.raises(DdcError, match="not this one"):
        run(module, [Breaking("refuse")])


def test_every_pass_has_a_summary() -> None:
    for name, summary, _ in describe():
        assert summary.endswith("."), name


def test_the_readme_lists_the_passes(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["passes", "--markdown"])
    page = (Path(__file__).parents[2] / "passes/README.md").read_text()
    assert page.endswith(capsys.readouterr().out), "paste `ddc passes --markdown` into the page"
