"""Small changes to programs, and the plain truth about two programs by trying every input."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np

from ddc.ir import Block, Index, Module, Op, dims, element, levels, verify, walk
from ddc.ir.interpreter import run_batch

SWAPS = [("and", "or", "xor"), ("eq", "ne", "lt", "le", "gt", "ge"), ("add", "mul", "min", "max")]
SWAPS += [("sign", "abs", "neg")]
KINDS = [("and", "or", "xor"), ("min", "max")]


def mutate(rng: Random, module: Module) -> Module | None:
    """Return the module with one op changed, None where the change does not verify."""
    ops = [op for op in walk(module.entry.body) if op.code not in ("map", "scan")]
    if not ops:
        return None
    chosen = rng.choice(ops)
    changed = _change(rng, chosen)
    if changed is None or changed == chosen:
        return None
    entry = replace(module.entry, body=_replaced(module.entry.body, chosen, changed))
    mutant = Module((entry, *module.functions[1:]), module.constants)
    return None if verify(mutant) else mutant


def _replaced(block: Block, old: Op, new: Op) -> Block:
    ops: list[Op] = []
    for op in block.ops:
        if op is old:
            ops.append(new)
        elif op.body is not None:
            ops.append(replace(op, body=_replaced(op.body, old, new)))
        else:
            ops.append(op)
    return replace(block, ops=tuple(ops))


def _change(rng: Random, op: Op) -> Op | None:
    if op.code == "table":
        entries: list[Any] = list(op.attr("entries") or ())  # type: ignore[arg-type]
        place = rng.randrange(len(entries))
        entries[place] = 1 - entries[place] if entries[place] in (0, 1) else entries[place] - 1
        return replace(op, attrs=(("entries", tuple(entries)),))
    if op.code == "threshold":
        attrs = dict(op.attrs)
        attrs["least"] = int(str(attrs["least"])) + rng.choice([-1, 1])
        return replace(op, attrs=tuple(sorted(attrs.items())))
    if op.code == "load":
        place = rng.randrange(len(op.index))
        index = list(op.index)
        old = index[place]
        index[place] = Index(old.at + rng.choice([-1, 1]), old.border, old.other)
        return replace(op, index=tuple(index))
    if op.code == "reduce":
        group = next((k for k in KINDS if op.attr("kind") in k), None)
        return None if group is None else replace(op, attrs=(("kind", rng.choice(group)),))
    group = next((s for s in SWAPS if op.code in s), None)
    if group is not None and rng.random() < 0.7:
        return replace(op, code=rng.choice(group))
    operands = list(op.operands)
    numbers = [k for k, o in enumerate(operands) if isinstance(o, int)]
    if numbers:
        place = rng.choice(numbers)
        operands[place] = int(str(operands[place])) + rng.choice([-1, 1])
        return replace(op, operands=tuple(operands))
    if len(operands) > 1:
        i, j = rng.sample(range(len(operands)), 2)
        operands[i] = operands[j]
        return replace(op, operands=tuple(operands))
    return None


def count_inputs(module: Module, sizes: dict[str, int]) -> int:
    """Return how many inputs the entry has at its sizes."""
    total = 1
    for param in module.entry.params:
        known = levels(element(param.type))
        entries = math.prod(d.evaluate(sizes) for d in dims(param.type))
        total *= len(known or ()) ** entries
    return total


def all_inputs(module: Module, sizes: dict[str, int]) -> dict[str, Any]:
    """Return every input of the entry in lexicographic order, as a batch."""
    shapes = [[d.evaluate(sizes) for d in dims(p.type)] for p in module.entry.params]
    choices: list[tuple[int, ...]] = []
    for param, shape in zip(module.entry.params, shapes):
        choices += [levels(element(param.type)) or ()] * math.prod(shape)
    rows = np.array(list(itertools.product(*choices)), dtype=np.int64)
    batch: dict[str, Any] = {}
    position = 0
    for param, shape in zip(module.entry.params, shapes):
        count = math.prod(shape)
        batch[param.name] = rows[:, position : position + count].reshape((len(rows), *shape))
        position += count
    return batch


def first_difference(a: Module, b: Module, sizes: dict[str, int]) -> dict[str, Any] | None:
    """Return the smallest input on which two programs differ, by running all of them."""
    batch = all_inputs(a, sizes)
    left, right = (run_batch(m, batch, sizes=sizes) for m in (a, b))
    rows = len(next(iter(batch.values())))
    wrong = np.zeros(rows, dtype=bool)
    for x, y in zip(left, right):
        wrong |= (x != y).reshape(rows, -1).any(axis=1)
    where = a.entry.where
    if where is not None:
        (inside,) = run_batch(a, batch, where, sizes)
        wrong &= inside.reshape(rows, -1).astype(bool).all(axis=1)
    if not wrong.any():
        return None
    row = int(np.argmax(wrong))
    return {name: column[row] for name, column in batch.items()}
