"""`ddc learn`: data in, a trained network out."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ddc.frontend import parse_signature
from ddc.ir import DdcError, UsageError, dims, element, levels

from .output import check_writable, say, whole_file
from .report import Progress

MOST = 1 << 31

if TYPE_CHECKING:
    from ddc.frontend import Samples
    from ddc.frontend.learn import Essence, Sequences


def learn_file(arguments: argparse.Namespace) -> None:
    """Learn the kind of network that was asked for and write it whole or not at all."""
    if not arguments.out.endswith((".pt", ".pth")):
        raise UsageError(f"networks are written as .pt, not as {Path(arguments.out).name!r}")
    _check_numbers(arguments)
    check_writable(arguments.out)
    from ddc.frontend import learn, read_samples

    start = time.monotonic()
    progress = Progress(arguments.progress, arguments.quiet)
    samples = read_samples(arguments.data)
    try:
        found = _KINDS[arguments.kind](arguments, samples, progress)
    except UsageError:
        raise
    except DdcError as error:
        raise DdcError(f"{arguments.data!r}: {error}") from None
    with whole_file(arguments.out) as file:
        if isinstance(found, learn.Sequences):
            found.write(file)
        else:
            learn.write_layers(file, found.layers, found.activations, found.input, found.output)
    took = time.monotonic() - start
    say(f"ddc: {arguments.out}: {found.summary()}, {took:.1f} s", arguments.quiet)
    if found.right < found.samples:
        count = found.samples - found.right
        say(f"ddc: note: {count} samples are not learned", arguments.quiet)


def _essence(arguments: argparse.Namespace, samples: Samples, progress: Progress) -> Essence:
    from ddc.frontend import learn

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
    return learn.learn(samples, options, progress)


def _mlp(arguments: argparse.Namespace, samples: Samples, progress: Progress) -> Essence:
    from ddc.frontend import learn

    options = learn.TrainOptions(
        hidden=_widths(arguments.hidden),
        activation=arguments.activation,
        shrink=arguments.shrink,
        steps=arguments.steps,
        seed=arguments.seed,
        input=arguments.input,
    )
    return learn.train(samples, options, progress)


def _recurrent(arguments: argparse.Namespace, samples: Samples, progress: Progress) -> Sequences:
    from ddc.frontend import learn

    recipe = learn.Recipe(
        hidden=arguments.hidden,
        f=_widths(arguments.width, "--width") if arguments.width != "none" else (),
        g=_widths(arguments.read_out, "--read-out") if arguments.read_out else (),
        loss=arguments.loss,
        scale=arguments.scale,
        steps=arguments.steps,
        seeds=arguments.seeds,
        noise=arguments.noise,
        seed=arguments.seed,
        drill=arguments.steps // 2,
    )
    if arguments.input is not None:
        _check_sequences(arguments.input, samples)
    if arguments.provable:
        recipe = learn.firm(recipe)
    return learn.learn_sequences(samples, recipe, arguments.input, progress)


def _check_sequences(text: str, samples: Samples) -> None:
    """Raise `DdcError` where a signature is not that of the sequences, before they are learned."""
    params = parse_signature(text).params
    if len(params) != len(samples.arrays):
        raise DdcError(f"--input says {len(params)} sequences, the data hold {len(samples.arrays)}")
    for (name, type_), array in zip(params, samples.arrays.values(), strict=True):
        time, *more = dims(type_) or (None,)
        if time is None:
            raise DdcError(f"--input: {name} has no time axis: write {name}: {type_}[T]")
        if [str(dim) for dim in more] != [str(size) for size in array.shape[2:]]:
            shape = list(array.shape[2:])
            raise DdcError(f"--input: {name}: {type_} has another shape at each step than {shape}")
        if time.is_const and time.const != array.shape[1]:
            raise DdcError(f"--input: {name} has {time.const} steps, the data {array.shape[1]}")
        known = levels(element(type_))
        if known is None or not np.isin(array, known).all():
            raise DdcError(f"--input: the data have values of {name} that are no {element(type_)}")


def _factor(text: str) -> tuple[str, float]:
    name, _, factor = text.partition("=")
    try:
        return name, float(factor)
    except ValueError:
        raise UsageError(f"--scale takes NAME=FACTOR, not {text!r}") from None


def _widths(text: str, option: str = "--hidden") -> tuple[int, ...]:
    try:
        widths = tuple(int(width) for width in text.split(","))
    except ValueError:
        widths = ()
    if not widths or min(widths) < 1 or sum(widths) > MOST:
        raise UsageError(f"{option} takes widths such as 192,192, not {text!r}")
    return widths


def _check_numbers(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` for numbers with which nothing could be trained."""
    for name in ("hidden", "seeds", "steps"):
        value = getattr(arguments, name, 1)
        if isinstance(value, int) and not 1 <= value <= MOST:
            raise UsageError(f"--{name} takes a count of at least 1, not {value}")
    seed = arguments.seed
    if not 0 <= seed < 1 << 32:
        raise UsageError(f"--seed takes a number from 0 to 2^32 - 1, not {seed}")
    for name in ("noise", "shrink"):
        value = getattr(arguments, name, 0.0)
        if not 0 <= value < math.inf:
            raise UsageError(f"--{name} takes a number of at least 0, not {value}")


_KINDS: dict[str, Callable[[argparse.Namespace, Samples, Progress], Essence | Sequences]] = {
    "essence": _essence,
    "mlp": _mlp,
    "recurrent": _recurrent,
}
