"""From model files to a proved program: read, raise, simplify, prove, mark with evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddc.ir import (
    DdcError,
    Evidence,
    EvidenceError,
    Function,
    MismatchError,
    Module,
    Param,
    UsageError,
    check,
    digest,
    dims,
    parse,
    print_function,
)
from ddc.ir.evidence import BINDING, bound
from ddc.passes import DEFAULT, Context, Declined, run
from ddc.passes import parse as parse_passes
from ddc.passes.pipeline import title
from ddc.passes.raising import is_network
from ddc.passes.unify import DifferentError, unify

from . import proof
from .inspection import Inspection
from .metadata import Metadata
from .options import Options
from .report import Progress
from .targets import checked_name

if TYPE_CHECKING:
    from ddc.frontend import Lowered, Samples

MAX_MODULE_BYTES = 1 << 30


@dataclass(frozen=True)
class Network:
    """A network as an IR module, with the signature under which it is compiled."""

    module: Module
    metadata: Metadata
    params: tuple[Param, ...]  # as they were written, letters included
    claimed: tuple[Evidence, ...] = ()
    length_from: str = ""  # who said the length of the sequences, for a recurrent network
    samples: Samples | None = None  # of `--data`
    reading: str = ""  # the signature and the decision, and who said so if not the person


@dataclass
class Compiled:
    """A program with its evidence, and what else was said about it."""

    module: Module
    metadata: Metadata | None
    notes: list[str] = field(default_factory=list[str])
    reading: str = ""

    @property
    def meta(self) -> dict[str, object]:
        """What the emitted text says in its machine-readable line."""
        return {} if self.metadata is None else self.metadata.as_dict()

    def summary(self) -> str:
        """Return the evidence in one line, with what went in and how the numbers are read."""
        shown = evidence_text(self.module.entry.evidence)
        shown = shown or "no network to compare with, so nothing is claimed"
        return f"{shown}; {self.reading}" if self.reading else shown


class NotRaised(Declined):
    """No raiser takes the network; the network-level IR is at hand."""

    def __init__(self, message: str, network: Module) -> None:
        super().__init__(message)
        self.network = network


def read_network(path: str | Path | Any, options: Options) -> Network:
    """Read a network from a file, a folder, an IR text or a `torch.nn.Module` in memory."""
    from ddc import frontend

    if not isinstance(path, (str, Path)):
        if not hasattr(path, "named_parameters"):
            raise UsageError(f"a MODEL is a path or a torch.nn.Module, not {type(path).__name__}")
        found = frontend.read_module(path)
        stem = type(path).__name__.lower()
    elif str(path).endswith(".ddc"):
        found_ir = read_ir(str(path), options)
        return found_ir if options.data is None else replace(found_ir, samples=_samples(options))
    else:
        found = frontend.read(path, model=options.factory, trust=options.trust)
        stem = Path(path).name if Path(path).is_dir() else Path(path).stem
    data = _samples(options)
    name = _function_name(options.name, stem)
    lowered = frontend.lower(
        found, input=options.input, output=options.output, name=name, samples=data
    )
    params = tuple(Param(p, t) for p, t in lowered.signature.params)
    sizes = lowered.signature.at(lowered.signature.sizes)
    concrete = ", ".join(f"{p}: {t}" for p, t in sizes)
    metadata = Metadata(concrete, lowered.decision, f"sha256:{lowered.digest}")
    return Network(
        lowered.module,
        metadata,
        params,
        length_from=lowered.length_from,
        samples=data,
        reading=_reading(lowered, concrete),
    )


def _samples(options: Options) -> Samples | None:
    from ddc.frontend import read_samples

    return None if options.data is None else read_samples(options.data)


def _reading(lowered: Lowered, signature: str) -> str:
    """Return how the network was read: nothing is guessed silently."""
    sources = (lowered.signature_from.removeprefix("the signature "), lowered.decision_from)
    stated = ("--", "the file's own ")
    said = ["" if source.startswith(stated) else f" ({source})" for source in sources]
    return f"{signature}{said[0]}, {lowered.decision}{said[1]}"


def _function_name(wanted: str | None, stem: str) -> str:
    from ddc.frontend.names import identifier

    return identifier(stem, "net") if wanted is None else checked_name(wanted)


def read_text(path: str, limit: int) -> str:
    """Return the text of a file of at most so many bytes."""
    from ddc.frontend.files import read_bytes
    from ddc.frontend.records import about

    with about(path):
        try:
            return read_bytes(Path(path), limit).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise DdcError("not a text file") from None


def read_ir(path: str, options: Options) -> Network:
    """Read IR text as a network, or as a program; what it claims is kept apart, unchecked."""
    text = read_text(path, MAX_MODULE_BYTES)
    module = parse(text, path)
    # Evidence in a file is somebody's word: it is not believed, and not passed on.
    claimed = module.entry.evidence
    module = replace(module, functions=tuple(f.bare() for f in module.functions))
    if options.name is not None:
        renamed = replace(module.entry, name=_function_name(options.name, "net"))
        module = module.with_entry(renamed)
    signature = ", ".join(f"{p.name}: {p.type}" for p in module.entry.params)
    metadata = Metadata.read(text) or Metadata(signature, options.output or "", digest(text))
    return Network(module, metadata, module.entry.params, claimed)


def load_program(path: str) -> Compiled:
    """Load a program from IR text as it stands, its evidence dropped."""
    network = read_ir(path, Options())
    return Compiled(network.module, network.metadata)


def compile_models(
    models: Sequence[Any], options: Options, inspection: Inspection | None = None
) -> Compiled:
    """Compile networks into one program.

    Raises `NotRaised` where no raiser takes it, `MismatchError` where the program differs from
    the network, `EvidenceError` where less is shown than `require` asks.
    """
    look = inspection or Inspection(options)
    if not models:
        raise UsageError("give at least one MODEL: a path or a torch.nn.Module")
    networks = [read_network(model, options) for model in models]
    if len(networks) == 1:
        compiled = _compile(networks[0], options, context_for(networks[0], options), look)
    else:
        compiled = _compile_sizes(networks, options, look)
    require(compiled.module.entry.evidence, options.require)
    return compiled


def context_for(network: Network, options: Options) -> Context:
    """Return what passes and proofs may know of a network and of what was asked."""
    context = Context(signature=network.params, allow_inexact=options.allow_inexact)
    context.proof_seconds = options.proof_seconds
    context.progress = Progress(options.progress, options.quiet)
    return context


def pipeline(options: Options, network: Network) -> str:
    """Return the passes to run: those asked for, else the default ones for this kind of module."""
    if options.passes is not None:
        return options.passes
    if not is_network(network.module):
        return "fold,hoist,dce"
    fixed = ("sizes", "generalise") if options.size == "fixed" else ()
    return ",".join(step for step in DEFAULT.split(",") if step not in fixed)


def _compile(
    network: Network, options: Options, context: Context, inspection: Inspection
) -> Compiled:
    source = network.module
    taken = _snapped(network, options, context)
    try:
        program = _raised(taken, pipeline(options, network), context, inspection)
    finally:
        inspection.finish()
    if not is_network(source):
        return _rewritten(network, program, context)
    if taken is network:
        claims = proof.prove(program, source, context, options.allow_inexact)
    else:
        from .snapping import compared

        proof.prove(program, taken.module, context)
        claims = compared(program, source, context_for(network, options))
    proof.note_float32(source, context)
    # What is proved for every length is inferred no more.
    every = any(e.detail("lengths") == "all" for e in claims)
    inferred = tuple(e for e in program.entry.evidence if e.kind == "inferred" and not every)
    claims = (*claims, *told_by_samples(program, network, claims, context))
    checked = _bound(claims, program.entry, network)
    marked = replace(program.entry, evidence=(*checked, *inferred))
    module = check(program.with_entry(marked))
    return Compiled(module, network.metadata, context.notes, network.reading)


def told_by_samples(
    program: Module, network: Network, claims: Sequence[Evidence], context: Context
) -> tuple[Evidence, ...]:
    """Return what the samples of `--data` tell beside the claims."""
    if network.samples is None:
        return ()
    from .samples import judged

    shown = any(claim.kind in ("proved", "inexact") for claim in claims)
    return judged(program, network.module, network.samples, shown, context)


def _snapped(network: Network, options: Options, context: Context) -> Network:
    """Return the network with its weights snapped, where that was asked for and changes any."""
    if options.snap is None or not is_network(network.module):
        return network
    from .snapping import snapped

    module, count = snapped(network.module, options.snap)
    if not count:
        context.note("--snap: no weights are near small integers")
        return network
    context.note(f"--snap: the weights of {count} units are taken as small integers")
    return replace(network, module=module)


def _compile_sizes(
    networks: Sequence[Network], options: Options, inspection: Inspection
) -> Compiled:
    """Compile one task trained at several sizes; the program is proved at each of them."""
    first = networks[0]
    name = first.module.entry.name
    last = ("sizes", "generalise", "name")
    steps = [s for s in pipeline(options, first).split(",") if s not in last]
    contexts = [context_for(network, options) for network in networks]
    programs = [
        _raised(network, ",".join(steps), context, inspection)
        for network, context in zip(networks, contexts)
    ]
    context = contexts[0]
    try:
        program = run(unify(programs, context), "fold,dce,name", context)
    except DifferentError as different:
        program = _from_largest(networks, options, inspection, different)
    inspection.finish()
    claims: list[Evidence] = []
    for network, own in zip(networks, contexts):
        found = proof.prove(program, network.module, own, options.allow_inexact)
        proof.note_float32(network.module, context)
        claims += _bound(found, program.entry, network)
        for note in own.notes:
            context.note(note)
    if first.samples is not None and first.samples.y is not None:
        context.note("--data: labels are compared for one MODEL only")
    entry = replace(program.entry, name=name, evidence=(*claims, *program.entry.evidence))
    module = check(program.with_entry(entry))
    return Compiled(module, first.metadata, context.notes, first.reading)


def _from_largest(
    networks: Sequence[Network], options: Options, inspection: Inspection, different: DifferentError
) -> Module:
    """Return the program inferred from the largest network where it is also all the others.

    A small network often has several short programs, and not the one that the large ones have.
    """
    largest = max(networks, key=lambda network: math.prod(_extents(network.module.entry)))
    if options.size == "fixed":
        raise different
    try:
        program = _raised(
            largest, pipeline(options, largest), context_for(largest, options), inspection
        )
        for network in networks:
            proof.prove(program, network.module, context_for(network, options))
    except DdcError:
        raise different from None
    return program


def _extents(entry: Function) -> list[int]:
    return [dim.const for param in entry.params for dim in dims(param.type)]


def _raised(network: Network, steps: str, context: Context, inspection: Inspection) -> Module:
    try:
        return run(network.module, steps, context, inspection.instruments())
    except Declined as declined:
        raise NotRaised(str(declined), network.module) from None


def _bound(claims: Sequence[Evidence], entry: Function, network: Network) -> tuple[Evidence, ...]:
    if network.length_from:
        told = ("length_from", network.length_from)
        claims = [
            replace(c, details=(*c.details, told)) if _of_one_length(c) else c for c in claims
        ]
    program_digest = digest(print_function(entry.bare())).removeprefix("sha256:")
    return bound(claims, program_digest, network.metadata.model.removeprefix("sha256:"))


def _of_one_length(claim: Evidence) -> bool:
    return claim.kind not in ("inferred", "labels") and claim.detail("lengths") is None


def _rewritten(network: Network, program: Module, context: Context) -> Compiled:
    """Return a program that came in as one: proved against its own text, claims repeated."""
    for claim in network.claimed:
        context.note(f"the file claims, and nothing here checked: {evidence_text([claim])}")
    if program != network.module:
        verdict = proof.compare_programs(program, network.module)
        context.note(f"the text that came in and the program: {evidence_text([verdict])}")
    return Compiled(program, network.metadata, context.notes)


def require(evidence: Sequence[Evidence], wanted: str | None) -> None:
    """Raise `EvidenceError` where less is shown than was asked for."""
    if wanted is None:
        return
    accepted = {"proved": ("proved",), "tested": ("proved", "tested")}[wanted]
    if any(e.kind == "inexact" for e in evidence) or not any(e.kind in accepted for e in evidence):
        found = evidence_text(evidence) or "nothing is shown"
        raise EvidenceError(f"--require {wanted} is not met: {found}")


@dataclass(frozen=True)
class Bisection:
    """What `ddc bisect` found: the guilty pass, if any, and a text that says it."""

    culprit: str | None
    text: str


def bisect(model: str, options: Options) -> Bisection:
    """Run the pipeline pass by pass; find the first after which the network's answer differs."""
    network = read_network(model, options)
    context = context_for(network, replace(options, allow_inexact=False))
    module = network.module
    steps = parse_passes(pipeline(options, network))
    for step in steps:
        after = run(module, [step], context)
        if after != module:
            try:
                proof.prove(after, network.module, context, allow_inexact=False)
            except MismatchError as error:
                name = title(step)
                return Bisection(name, f"the pass '{name}' changes the answer: {error}")
        module = after
    count = f"{len(steps)} passes"
    return Bisection(None, f"no pass changes the answer: {count}, each compared with the network")


def evidence_text(evidence: Sequence[Evidence]) -> str:
    """Return claims in one line, as the IR writes them."""
    shown: list[str] = []
    for claim in evidence:
        said = [(key, value) for key, value in claim.details if key not in BINDING]
        details = ", ".join(f"{key} = {value}" for key, value in said)
        head = f"{claim.kind} {claim.method}".rstrip()
        shown.append(f"{head} ({details})" if details else head)
    return ", ".join(shown)
