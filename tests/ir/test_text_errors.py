"""What is wrong with IR text is said with its place, several problems at once."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from ddc import ir
from ddc.ir import Affine

# ---------------------------------------------------------------- signatures


def test_signature() -> None:
    params, sizes = ir.parse_params(
        "cells: bit[20], %b: int{-1, 1}[T], word: onehot<3>[4], in: real, m: bit[2*N, T]"
    )
    assert [p.name for p in params] == ["cells", "b", "word", "in", "m"]
    assert params[0].type == ir.Array(ir.BIT, (Affine.of(20),))
    assert params[1].type == ir.Array(ir.Int.of(-1, 1), (Affine.symbol("T"),))
    assert params[2].type == ir.Array(ir.OneHot(3), (Affine.of(4),))
    assert params[3].type == ir.REAL
    assert sizes == ("T", "N")


BAD_SIGNATURES = {
    "cells: bot[20]": "expected `bit`, `category`, `int`, `onehot` or `real`, not `bot` at column 8",
    "cells bit[20]": "expected `:`, not `bit` at column 7",
    "": "expected a name or a value `%name`, but the text ends here at column 1",
    "a: bit, %a: bit": "a is named twice",
    "a: bit?": "bit cannot be missing at column 7",
    "a: bit[%i]": "%i is not a size",
    "a: int<3..1>": "the range 3..1 is empty at column 4",
    "a: onehot<0>": "onehot needs a size of at least 1 at column 4",
    "a: real<1/0..2>": "a fraction with the denominator 0 at column 9",
    "a: bit[N mod 0]": "the divisor of an index must be positive at column 14",
    'a: category{"\\q"}': "unknown escape \\q in a string at column 13",
    'x"); import os': "a string that is not closed on its line at column 2",
    "a: bit\x1b[31m": "`\\x1b` does not belong here at column 7",
}


@pytest.mark.parametrize("text", BAD_SIGNATURES)
def test_bad_signature_is_one_line(text: str) -> None:
    with pytest.raises(ir.DdcError) as caught:
        ir.parse_params(text)
    assert str(caught.value) == f"bad signature {text!a}: {BAD_SIGNATURES[text]}"


def test_long_signature_is_shown_shortened() -> None:
    with pytest.raises(ir.DdcError, match=r"^bad signature '.{60}\.\.\.': nested deeper than"):
        ir.parse_params("a: bit[" + "(" * 5000)


def test_lark_is_loaded_only_to_parse() -> None:
    code = "import sys, ddc.ir; assert 'lark' not in sys.modules; ddc.ir.parse_type('bit')"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- errors


def errors_of(body: str, header: str = "func @f(%x: bit) -> (%y: bit)") -> str:
    """Return the message about a function whose body begins in line 2."""
    with pytest.raises(ir.DiagnosticsError) as caught:
        ir.parse(f"{header} {{\n{body}\n  return %y\n}}\n", filename="net.ddc")
    return str(caught.value)


def test_syntax_errors_are_all_reported() -> None:
    body = "  %a = not not\n  %b = and %x %x\n  %c = and %x, %x\n  %y = or %a; %b"
    assert errors_of(body) == (
        "net.ddc:2:12: error: expected a number, a value `%name`, `@name` or `[`, not `not`\n"
        "    %a = not not\n"
        "             ^~~\n"
        "net.ddc:3:15: error: `,` is missing before `%x`\n"
        "    %b = and %x %x\n"
        "                ^~\n"
        "net.ddc:5:13: error: `;` does not belong here\n"
        "    %y = or %a; %b\n"
        "              ^"
    )


def test_error_at_the_next_line() -> None:
    assert errors_of("  %y = not %x,") == (
        "net.ddc:3:3: error: expected a number, a value `%name` or `@name`, not `return`\n"
        "    return %y\n"
        "    ^~~~~~"
    )


def test_missing_brace() -> None:
    with pytest.raises(ir.DiagnosticsError) as caught:
        ir.parse("func @f(%x: bit) -> (%y: bit) {\n  return %x\n\n")
    assert str(caught.value) == (
        "<text>:2:11: error: expected `,` or `}`, but the text ends here\n"
        "    return %x\n"
        "            ^"
    )


def test_clause_errors_are_all_reported() -> None:
    body = """\
  %y = xor %x, %x weights [1] from("a\\q")
  %z = bin %x at [2, 1] at [1]
  %u = add 1e9999, 2
  %v = neg 3 of %x
  %w = not %x[0]"""
    assert errors_of(body) == (
        "net.ddc:2:19: error: 'xor' has no clause `weights`\n"
        '    %y = xor %x, %x weights [1] from("a\\q")\n'
        "                    ^~~~~~~\n"
        "net.ddc:2:36: error: unknown escape \\q in a string\n"
        '    %y = xor %x, %x weights [1] from("a\\q")\n'
        "                                     ^~~~~\n"
        "net.ddc:3:25: error: 'bin' says `at` twice\n"
        "    %z = bin %x at [2, 1] at [1]\n"
        "                          ^~\n"
        "net.ddc:4:12: error: a real beyond the range of binary64\n"
        "    %u = add 1e9999, 2\n"
        "             ^~~~~~\n"
        "net.ddc:5:8: error: 'neg' takes nothing before `of`\n"
        "    %v = neg 3 of %x\n"
        "         ^~~\n"
        "net.ddc:6:8: error: 'not' takes no index\n"
        "    %w = not %x[0]\n"
        "         ^~~"
    )


def test_type_errors_are_all_reported() -> None:
    body = "  %y = add %x, %z\n  %w = xor 2, %x\n  %v = frob %x"
    assert errors_of(body) == (
        "net.ddc:2:8: error: %z is not defined\n"
        "    %y = add %x, %z\n"
        "         ^~~\n"
        "net.ddc:3:8: error: 'xor' operand must be a bit, not int<2..2>\n"
        "    %w = xor 2, %x\n"
        "         ^~~\n"
        "net.ddc:4:8: error: 'frob' is not an op\n"
        "    %v = frob %x\n"
        "         ^~~~"
    )


# line of the body (line 2) -> the message of the first error, without its place
VERIFIER = {
    "%y = load %a[%i]": "'load' uses %i, which is no loop variable or size here",
    "%y = load %a[N]": "'load' index N may pass axis 0 of N: say a border",
    "%y = load %a[-1]": "'load' index -1 of axis 0 may be negative: say a border",
    "%y = load %a[0, 0]": "'load' 2 indices for bit[N]",
    "%y = load %a": "'load' 0 indices for bit[N]",
    "%y = mod 5, %n": "'mod' divisor may be 0: int<0..9>",
    "%y = div 5, %n": "'div' divisor may be 0: int<0..9>",
    "%y = pow %n, -1": "'pow' an int exponent must not be negative: int<-1..-1>",
    "%y = gather %a, %n": "'gather' index int<0..9> may lie outside axis 0 of N",
    "%y = gather %a, 0 border else": "'gather' `border else` and `else VALUE` go together",
    "%y = gather %a, 0 border around": (
        "'gather' takes one of inside, wrap, clamp, else as the value of `border`"
    ),
    "%y = threshold %n": "'threshold' needs an int before `of`",
    "%y = threshold 1.5 of %x": "'threshold' takes an int as the value before `of`",
    "%y = threshold 1 of %x, 1 weights [1]": "'threshold' 1 weights for 2 operands",
    "%y = table [1, 0, 1] of %x": "'table' 3 entries for 2 cases",
    "%y = curve %n knots [1, 2]": "'curve' takes a list of pairs as the value of `knots`",
    "%y = curve %n knots [(1, 2), (0, 1)]": "'curve' the knots of a curve must not go back",
    "%y = curve %n in log knots [(0, 2)]": "'curve' knots in log must lie above 0",
    "%y = bin %n at [2, 2]": "'bin' cut points must increase",
    "%y = onehot %n size 5": "'onehot' of size 5 takes ints in 0..4",
    "%y = and %a, %b": "'and' shapes differ: bit[2] and bit[N]",
    "%y = reshape %b to [3]": "'reshape' cannot reshape bit[2] to [3]",
    "%y = select %n, 1, 2": "'select' operand must be a bit, not int<0..9>",
    "%y = argmax %x": "'argmax' needs an array",
    "%y = sub 1": "'sub' takes 2 operands, not 1",
    "%y = const @c": "there is no constant @c",
    "%y, %z = not %x": "'not' has 1 results",
    "%x = not 1": "%x is defined twice",
    "%y = map %i in 0..N - 2 { yield 1 }": "'map' may have a negative extent N - 2",
    "%y = reduce mean %i in 0..2 { yield 1 }": "'reduce' cannot reduce by mean",
    "%y = reduce max %i in 1..N { yield 1 }": "'reduce' max needs a range that is not empty, not N - 1",
    "%y = reduce or %i in 0..2 { yield 2 }": "'reduce' or reduces bits, not int<2..2>",
    "%y = scan %i in 0..2 with (%s: bit = 2) { next %s }": (
        "'scan' state %s is bit, but starts as int<2..2>"
    ),
    "%y = scan %i in 0..2 with (%s: bit = 1) { yield 1 }": "'scan' has 1 states but 0 next values",
    "%y = reduce add %i in 0..2 { next 1 yield 1 }": "'reduce' carries no states",
    "%y = reduce or %i in 0..2 { %z = not 1 yield %z } %w = not %z": "%z is not visible here",
    "%y = map %i in 0..2, %i in 0..3 { yield 1 }": "'map' %i is defined twice",
}


@pytest.mark.parametrize("line", VERIFIER)
def test_verifier_error(line: str) -> None:
    header = "func @f<N>(%x: bit, %a: bit[N], %b: bit[2], %n: int<0..9>) -> (%y: bit)"
    first = errors_of(line, header).split("\n")[0]
    assert re.sub(r"^net\.ddc:2:\d+: error: ('\w+' )?", r"\1", first) == VERIFIER[line]


# a whole text -> its first error
WHOLE = {
    "": "<text>: error: a module needs at least one function",
    "func @f<N, N>(%x: bit[N]) -> () { return }": "<text>:1:6: error: size N is defined twice",
    "func @f() -> () { return } func @f() -> () { return }": (
        "<text>:1:33: error: function @f is defined twice"
    ),
    "func @f() -> (%y: bit) { return }": "<text>:1:6: error: returns 0 values for 1 results",
    "func @f() -> (%y: bit) { return 2 }": (
        "<text>:1:6: error: result %y is bit, but the value returned is int<2..2>"
    ),
    "func @f() -> (%y: int[N]) { return @c } const @c = int[1] int64 [1]": (
        "<text>:1:6: error: %y uses the size N, which is not declared"
    ),
    "func @f() -> () where @g { return }": (
        "<text>:1:6: error: there is no function @g for the domain"
    ),
    "func @f() -> () where @g { return } func @g() -> (%y: int) { return 1 }": (
        "<text>:1:6: error: the domain @g must take the same sizes and parameters "
        "and return one bit"
    ),
    "func @f() -> () guessed() { return }": "<text>:1:6: error: unknown evidence: 'guessed'",
    "func @f() -> () proved() { return }": "<text>:1:6: error: unknown evidence: 'proved'",
    "func @f() -> () { return } const @c = real[2] float32 [1]": (
        "<text>:1:34: error: constant @c has entries of another shape than it says"
    ),
    "func @f() -> () { return } const @c = int[1] int64 [1.0]": (
        "<text>:1:34: error: constant @c is of ints"
    ),
    "func @f() -> () { return } const @c = int[1] float32 [1]": (
        "<text>:1:34: error: constant @c cannot be int float32"
    ),
    'func @f() -> () { return } const @c = real[2] float32 "AAAA"': (
        "<text>:1:34: error: constant @c needs 8 bytes"
    ),
    'func @f() -> () { return } const @c = real[1] float32 "AAA?AA=="': (
        "<text>:1:34: error: constant @c is not base64"
    ),
    'func @f() -> () { return } const @c = real[1] float32 "AADAfw=="': (
        "<text>: error: constant @c has entries that are not finite"
    ),
    'func @f() -> () { return } const @c = real[99999999] float32 sparse "" ""': (
        "<text>:1:34: error: constant @c is too large for the entries given"
    ),
    'func @f() -> () { return } const @c = real[1] float32 sparse "AQAAAA==" "AACAPw=="': (
        "<text>:1:34: error: constant @c has places that do not increase or lie outside"
    ),
    "func @f() -> () { return } const @c = int[1] int64 [9223372036854775808]": (
        "<text>:1:34: error: constant @c has entries beyond the range of int64"
    ),
    "func @f(%x: bit[0*N]) -> () { return 1e999 }": (
        "<text>:1:38: error: a real beyond the range of binary64"
    ),
}


@pytest.mark.parametrize("text", WHOLE)
def test_module_error(text: str) -> None:
    with pytest.raises(ir.DiagnosticsError) as caught:
        ir.parse(text)
    assert str(caught.value).split("\n")[0] == WHOLE[text]


def test_many_errors_are_counted() -> None:
    message = errors_of("\n".join(f"  %a{k} = not 2" for k in range(30)))
    assert message.count(": error: 'not' operand must be a bit") == 8
    assert message.endswith("net.ddc: note: 23 more errors")  # and %y is not defined


def test_a_line_that_breaks_all_the_others_is_told_once() -> None:
    loads = "".join(f"  %a{k} = not %a{k + 1}\n" for k in range(4))
    message = errors_of(loads + "  }  %b = not %a0")
    assert message.count("error: ") == 1


def test_long_lines_and_control_characters_are_not_shown_raw() -> None:
    with pytest.raises(ir.DiagnosticsError) as caught:
        ir.parse("//\x1b[2J" + "x" * 100_000 + "\nfunc @f\x1b[2J" + " " * 50_000 + "oops")
    message = str(caught.value)
    assert "\x1b" not in message
    assert len(message) < 500
