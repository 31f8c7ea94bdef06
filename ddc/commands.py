"""What each subcommand does: arguments in, text and files out, an exit status back."""

from __future__ import annotations

import argparse

from ddc.ir import UsageError, print_module

from . import driver
from .inspection import Inspection
from .options import Options
from .output import check_writable, say, write_files, write_text
from .targets import checked_name, checked_target, emit, files, suffix_of

EXIT_MISMATCH = 3


def compile_models(arguments: argparse.Namespace) -> int:
    """`ddc MODEL...`: compile networks, or print a network in the IR."""
    options = Options.of(arguments)
    target = _target(arguments)
    if arguments.out not in (None, "-"):
        check_writable(arguments.out)
    if arguments.name is not None:
        checked_name(arguments.name, target)
    if arguments.emit == "ir":
        if len(arguments.models) > 1:
            raise UsageError("--emit ir writes one network down: give one MODEL")
        network = driver.read_network(arguments.models[0], options)
        write_text(arguments.out, print_module(network.module))
        return 0
    inspection = Inspection(options)
    try:
        compiled = driver.compile_models(arguments.models, options, inspection)
    except driver.NotRaised as refusal:
        if target != "ir":
            raise
        # The network itself is what can be written down.
        say(f"ddc: note: {refusal}; this is the network-level IR", options.quiet)
        write_text(arguments.out, print_module(refusal.network))
        return 0
    if arguments.out in (None, "-"):
        write_text(arguments.out, emit(compiled, target, options.style))
    else:
        cpu = getattr(arguments, "target_cpu", None)
        write_files(files(compiled, arguments.out, target, options.style, cpu))
    for note in compiled.notes:
        say(f"ddc: note: {note}", options.quiet)
    if arguments.out is not None:
        say(f"ddc: {arguments.out}: {compiled.summary()}", options.quiet)
    return 0


def _target(arguments: argparse.Namespace) -> str:
    """Return what to write: as asked for, else by the suffix, else Python."""
    chosen: str | None = "ir" if arguments.emit == "ir" else arguments.backend
    if chosen is None and arguments.out not in (None, "-"):
        chosen = suffix_of(arguments.out)
    return checked_target(chosen or "python")


def verify_program(arguments: argparse.Namespace) -> int:
    """`ddc verify`: prove or refute that a program equals a network."""
    from . import verification

    found = verification.verify_program(
        arguments.models[0], arguments.program, Options.of(arguments)
    )
    print(f"{arguments.program}: {driver.evidence_text(found)}")
    return 0


def run_program(arguments: argparse.Namespace) -> int:
    """`ddc run`: apply a program to data."""
    from .running import run_file

    run_file(arguments)
    return 0


def bisect_passes(arguments: argparse.Namespace) -> int:
    """`ddc bisect`: find the pass that first changes the answer."""
    options = Options.of(arguments)
    found = driver.bisect(arguments.models[0], options)
    print(found.text)
    return EXIT_MISMATCH if found.culprit else 0


def list_passes(arguments: argparse.Namespace) -> int:
    """`ddc passes`: list passes with summary and options."""
    from ddc.passes import DEFAULT, describe

    rows = describe()
    if arguments.markdown:
        print("| pass | what it does | options |\n|---|---|---|")
        for name, summary, options in rows:
            shown = ", ".join(f"`{key}={value}`" for key, value in options)
            print(f"| `{name}` | {summary} | {shown} |")
        return 0
    width = max(len(name) for name, _, _ in rows)
    for name, summary, options in rows:
        print(f"{name:{width}}  {summary}")
        for key, value in options:
            print(f"{'':{width}}    {key}={value}")
    print(f"\ndefault pipeline: {DEFAULT}")
    return 0


def learn_network(arguments: argparse.Namespace) -> int:
    """`ddc learn`: train a network that distils well."""
    from .learning import learn_file

    learn_file(arguments)
    return 0
