"""The command line. Only argparse is imported here: `ddc --help` must answer at once."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence

from . import __version__

EXIT_BAD_INPUT = 1
EXIT_USAGE = 2
EXIT_MISMATCH = 3
EXIT_BUG = 70
EXIT_INTERRUPTED = 130

DECISIONS = ("raw", "sign", "step", "half", "round", "argmax", "softmax")

_DESCRIPTION = """\
Turn a trained neural network into a short program that people can read, check, edit and run.

  ddc MODEL... [-o OUT] [options]     compile; OUT's suffix picks the target
  ddc run PROGRAM INPUT -o OUTPUT     run a compiled program on data
  ddc verify MODEL PROGRAM            is this program equal to this network?
  ddc learn KIND DATA -o MODEL        train a network that distils well
  ddc passes                          list passes with summary and options
  ddc bisect MODEL                    which pass first changes the answer, on which input

`ddc COMMAND --help` tells the options of a command."""

_COMPILE_EPILOG = """\
examples:
  ddc examples/rule30/model.pt -o rule30.py
  ddc net.pt --input "s: int{-1, 1}[6]" --output sign --style numpy
  ddc net.pt --emit ir                          the network, written down in the IR
  ddc net.pt -p "raise,roll,minimise" --print-ir-after-all

exit status: 0 written and checked; 1 bad input; 2 usage; 3 the program differs from the network,
or --require is not met; 70 a bug in ddc (a crash reproducer is written)."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and exit with 2."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _signature_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", metavar="SIG", help='inputs, such as "cells: bit[20]"')
    parser.add_argument(
        "--output", choices=DECISIONS, metavar="DECISION", help=f"one of {', '.join(DECISIONS)}"
    )
    parser.add_argument(
        "--data", metavar="FILE", help="samples (.npz or .csv) for inference of the signature"
    )
    parser.add_argument(
        "--model",
        metavar="FACTORY",
        dest="factory",
        help="architecture of a state dict: package:factory or FILE.py:factory (this runs it)",
    )
    parser.add_argument("--trust", action="store_true", help="allow what can run code")


def _look_inside_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("looking inside")
    group.add_argument(
        "-p", "--passes", metavar="PASSES", help='such as "raise,roll{...},minimise"'
    )
    group.add_argument(
        "--print-ir-after",
        metavar="PASS",
        nargs="?",
        const="*",
        action="append",
        default=[],
        help="print the IR after this pass (after the last one without a name)",
    )
    group.add_argument("--print-ir-after-all", action="store_true")
    group.add_argument(
        "--print-ir-after-change", action="store_true", help="after passes that change something"
    )
    group.add_argument("--time-passes", action="store_true")
    group.add_argument(
        "--verify-each", action="store_true", help="compare the program before and after every pass"
    )
    group.add_argument(
        "--crash-reproducer", metavar="FILE", help="where to write one if ddc itself fails"
    )


def _progress_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--progress", action="store_true", default=None)
    group.add_argument("--quiet", action="store_true", help="errors only")


def _compile_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ddc",
        description=_DESCRIPTION,
        epilog=_COMPILE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="ddc MODEL... [-o OUT] [options]",
    )
    parser.add_argument("--version", action="version", version=f"ddc {__version__}")
    parser.add_argument("models", metavar="MODEL", nargs="+", help="a trained network or .ddc")
    parser.add_argument("-o", dest="out", metavar="OUT", help=".py .c .ll .s .o .so .ddc")
    parser.add_argument("--backend", metavar="NAME", help="python, c or llvm")
    parser.add_argument(
        "--target-cpu", metavar="CPU", help="processor of machine code, as LLVM names it"
    )
    parser.add_argument("--name", help="the function's name")
    parser.add_argument("--style", choices=("plain", "numpy"), default="plain")
    parser.add_argument("--size", choices=("auto", "fixed"), default="auto")
    parser.add_argument("--emit", choices=("ir",), help="stop at the network-level IR")
    parser.add_argument("--require", choices=("proved", "tested"), help="least evidence accepted")
    parser.add_argument(
        "--allow-inexact",
        action="store_true",
        help="write a program that differs from the network, marked with the rate",
    )
    parser.add_argument(
        "--snap",
        type=float,
        metavar="TOL",
        help="take weights within TOL of small integers as those; compared with the network as it is",
    )
    _proof_options(parser, 2.0)
    _signature_options(parser)
    _look_inside_options(parser)
    _progress_options(parser)
    return parser


def _run_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ddc run", description="Run a compiled program on data.")
    parser.add_argument("program", metavar="PROGRAM", help=".ddc; .py and .so need --trust")
    parser.add_argument("data", metavar="INPUT", help=".npy, .npz or .csv")
    parser.add_argument("-o", dest="out", metavar="OUTPUT", required=True, help=".npy or .npz")
    parser.add_argument("--steps", type=int, metavar="N", help="apply the program N times")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="that share the work; default 1"
    )
    parser.add_argument("--backend", metavar="NAME", help="python or llvm")
    parser.add_argument("--trust", action="store_true", help="allow what can run code")
    _progress_options(parser)
    return parser


def _verify_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ddc verify", description="Is this program equal to this network?")
    parser.add_argument("models", metavar="MODEL", nargs=1)
    parser.add_argument("program", metavar="PROGRAM", help=".py as ddc writes it (edited), or .ddc")
    parser.add_argument("--require", choices=("proved", "tested"), help="least evidence accepted")
    _proof_options(parser, 30.0)
    _signature_options(parser)
    _progress_options(parser)
    return parser


def _proof_options(parser: argparse.ArgumentParser, seconds: float) -> None:
    parser.add_argument(
        "--proof-seconds",
        type=float,
        default=seconds,
        metavar="S",
        help="that the search for a proof over sequences of every length may take; "
        f"default {seconds:g}",
    )


def _bisect_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ddc bisect", description="Find the pass that first changes the network's answer."
    )
    parser.add_argument("models", metavar="MODEL", nargs=1)
    parser.add_argument("-p", "--passes", metavar="PASSES")
    parser.add_argument("--name", help="the function's name")
    _signature_options(parser)
    _progress_options(parser)
    return parser


def _passes_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ddc passes", description="List passes with summary and options.")
    parser.add_argument("--markdown", action="store_true", help="as a Markdown table")
    return parser


def _learn_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ddc learn", description="Train a network that distils well.")
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    _learn_essence_options(
        kinds.add_parser(
            "essence",
            help="subconcepts, differentiae, concepts: every unit a fit of its own",
            description="Learn an essence network from samples with labels, no back-propagation.",
        )
    )
    _learn_mlp_options(
        kinds.add_parser(
            "mlp",
            help="dense layers, trained so that what they compute can be proved",
            description="Train dense layers on bits; after the fit an L1 penalty removes weights "
            "that carry noise, so that bounds can prove on which inputs each output depends.",
        )
    )
    _learn_recurrent_options(
        kinds.add_parser(
            "recurrent",
            help="h' = f([h, x]), y = g(h') on sequences of integers",
            description="Train a small recurrent network on sequences of one length.",
        )
    )
    return parser


def _learn_recurrent_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=".npz with inputs and y, [rows, steps]")
    parser.add_argument("-o", dest="out", metavar="MODEL", required=True, help=".pt")
    parser.add_argument("--hidden", type=int, default=4, metavar="N", help="states; default 4")
    parser.add_argument("--width", default="32", metavar="N,...", help="widths inside f, or none")
    parser.add_argument("--read-out", metavar="N,...", help="widths inside g; default none")
    parser.add_argument("--loss", choices=("log", "mse"), default="log")
    parser.add_argument("--scale", choices=("std", "unit"), default="std", help="of the inputs")
    parser.add_argument("--steps", type=int, default=6000, metavar="N")
    parser.add_argument("--seeds", type=int, default=8, metavar="N", help="trained at once")
    parser.add_argument("--noise", type=float, default=0.0, metavar="S", help="on the states")
    parser.add_argument(
        "--provable",
        action="store_true",
        help="train so that the program can be proved for every length: noise on the states, a "
        "penalty on what is left of it, affine weights rounded; takes all of --steps",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--input", metavar="SIG", help='inputs, such as "x: bit[T]"')
    _progress_options(parser)


def _learn_mlp_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=".npz with x and y of bits, or .csv")
    parser.add_argument("-o", dest="out", metavar="MODEL", required=True, help=".pt")
    parser.add_argument("--hidden", default="256", metavar="N,...", help="widths; default 256")
    parser.add_argument("--activation", choices=("relu", "tanh"), default="relu")
    parser.add_argument(
        "--shrink",
        type=float,
        default=0.3,
        metavar="S",
        help="strength of the L1 penalty after the fit, 0 for none; default 0.3",
    )
    parser.add_argument("--steps", type=int, default=6000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--input", metavar="SIG", help='inputs, such as "cells: bit[20]"')
    _progress_options(parser)


def _learn_essence_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=".npz with x and y, or .csv with a column y")
    parser.add_argument("-o", dest="out", metavar="MODEL", required=True, help=".pt")
    parser.add_argument("--symbolic", action="store_true", help="whole weights and sign units")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--subconcepts",
        type=int,
        metavar="K",
        help="how many in all; 0: one per sample; default: as few as planes tell apart",
    )
    parser.add_argument(
        "--margin-ratio",
        type=float,
        default=0.0,
        metavar="R",
        help="share of its margin that a unit keeps when pruned; inf: no pruning; default 0",
    )
    parser.add_argument(
        "--prefer",
        choices=("first", "near"),
        default="first",
        help="which of the partners that serve alike a pruned unit keeps: the first, or the one "
        "nearest in the data's order",
    )
    parser.add_argument(
        "--strictness",
        type=float,
        default=0.0,
        metavar="S",
        help="where planes stand between subconcepts, -1 to 1; default 0, half way",
    )
    parser.add_argument("--input", metavar="SIG", help='inputs, such as "cells: bit[20]"')
    parser.add_argument(
        "--output", metavar="DECISION", help="step, sign, argmax, softmax or raw (probabilities)"
    )
    parser.add_argument(
        "--scale",
        action="append",
        default=[],
        metavar="NAME=F",
        help="an input's weight in the grouping",
    )
    parser.add_argument(
        "--allow-constant", action="store_true", help="learn from labels that are all the same"
    )
    _progress_options(parser)


# command -> its parser and the function in `ddc.commands` that does it
_COMMANDS: dict[str, tuple[Callable[[], argparse.ArgumentParser], str]] = {
    "compile": (_compile_parser, "compile_models"),
    "run": (_run_parser, "run_program"),
    "verify": (_verify_parser, "verify_program"),
    "learn": (_learn_parser, "learn_network"),
    "passes": (_passes_parser, "list_passes"),
    "bisect": (_bisect_parser, "bisect_passes"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # terminals that know ASCII alone
    words = list(sys.argv[1:] if argv is None else argv)
    command = words.pop(0) if words and words[0] in _COMMANDS else "compile"
    make_parser, function = _COMMANDS[command]
    parser = make_parser()
    if not words and command == "compile":
        parser.print_help()
        return EXIT_USAGE
    options = parser.parse_args(words)
    from . import guard

    return guard.run(function, options)


if __name__ == "__main__":
    sys.exit(main())
