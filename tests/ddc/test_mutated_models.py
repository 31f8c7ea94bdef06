"""Mutated networks and programs, compiled whole: an answer or one error, never a traceback."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddc import cli

NETWORK = """func @net(%x: bit[3]) -> (%y: bit) {
  %h = dense %x, @w0, @b0 from("0")
  %r = relu %h from("1")
  %g = dense %r, @w1, @b1 from("2")
  %s = step %g
  %y = reshape %s to []
  return %y
}

const @w0 = real[2, 3] [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
const @b0 = real[2] [0.0, -1.0]
const @w1 = real[1, 2] [[1.0, -2.0]]
const @b1 = real[1] [-0.5]
"""
PROGRAM = """func @f<N>(%x: bit[N]) -> (%y: bit[N], %t: int) {
  %y, %last = scan %i in 0..N with (%s: bit = 0) {
    %v = load %x[%i]
    %w = load %x[%i + 1 wrap]
    %p = xor %s, %v, %w
    next %p
    yield %p
  }
  %t = reduce add %j in 0..N {
    %u = load %y[%j]
    yield %u
  }
  return %y, %t
}
"""
WORDS = ["bit", "int", "int<0..5>", "real", "onehot<3>", "wrap", "clamp", "relu", "sign", "argmax"]
WORDS += ["round", "tanh", "softmax", "add", "xor", "not", "mul", "%x", "%y", "@w0", "N", "N - 1"]


def mutated(text: str, rng: random.Random) -> str:
    """Return a text with numbers, words or lines changed."""
    for _ in range(rng.choice([1, 1, 2, 4])):
        places = list(re.finditer(rng.choice([r"-?\b\d+\b", r"[%@]?\b[a-z]+\d?\b"]), text))
        if rng.random() < 0.2:
            lines = text.split("\n")
            lines.insert(rng.randrange(len(lines)), lines.pop(rng.randrange(len(lines))))
            text = "\n".join(lines)
        elif places:
            place = rng.choice(places)
            digits = place.group().lstrip("-").isdigit()
            new = rng.choice(["0", "-1", "1", "2", "7", "100000"] if digits else WORDS)
            text = text[: place.start()] + new + text[place.end() :]
    return text


@pytest.mark.parametrize("text", [NETWORK, PROGRAM], ids=["network", "program"])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 1 << 32))
def test_an_answer_or_one_error(
    text: str, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(seed)
    path = tmp_path / "model.ddc"
    path.write_text(mutated(text, rng))
    target = rng.choice(["python", "c", "llvm", "ir"])
    status = cli.main([str(path), "--backend", target, "--quiet"])
    error = capsys.readouterr().err
    assert status in (0, 1, 3), error
    assert ("ddc: error: " in error) == bool(status) and "Traceback" not in error
