"""`ddc learn`: data in, a trained network out."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ddc.ir import DdcError, UsageError

from .output import check_writable, say, whole_file
from .report import Progress


def learn_file(arguments: argparse.Namespace) -> None:
    """Learn the kind of network that was asked for and write it whole or not at all."""
    if not arguments.out.endswith((".pt", ".pth")):
        raise UsageError(f"networks are written as .pt, not as {Path(arguments.out).name!r}")
    check_writable(arguments.out)
    _KINDS[arguments.kind](arguments)


def _essence(arguments: argparse.Namespace) -> None:
    from ddc.frontend import learn, read_samples

    options = learn.Options(
        symbolic=arguments.symbolic,
        subconcepts=arguments.subconcepts,
        margin_ratio=arguments.margin_ratio,
        prefer=arguments.prefer,
        strictness=arguments.strictness,
        seed=arguments.seed,
        input=arguments.input,
        output=arguments.output,
        scale=tuple(_factor(text) for text in arguments.scale),
        allow_constant=arguments.allow_constant,
    )
    start = time.monotonic()
    progress = Progress(arguments.progress, arguments.quiet)
    try:
        found = learn.learn(read_samples(arguments.data), options, progress)
    except DdcError as error:
        where = "" if arguments.data in str(error) else f"{arguments.data!r}: "
        raise type(error)(f"{where}{error}") from None
    with whole_file(arguments.out) as file:
        learn.write_layers(file, found.layers, found.activations, found.input, found.output)
    took = time.monotonic() - start
    say(f"ddc: {arguments.out}: {found.summary()}, {took:.1f} s", arguments.quiet)
    if found.right < found.samples:
        count = found.samples - found.right
        say(f"ddc: note: {count} samples are not learned; more subconcepts may help")


def _factor(text: str) -> tuple[str, float]:
    name, _, factor = text.partition("=")
    try:
        return name, float(factor)
    except ValueError:
        raise UsageError(f"--scale takes NAME=FACTOR, not {text!r}") from None


_KINDS = {"essence": _essence}
