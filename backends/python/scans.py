"""Scans of the plain style: a comprehension that assigns its states, else a loop of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ddc.ir import (
    Block,
    Missing,
    Op,
    Real,
    Type,
    dims,
    element,
)

from .running import Running, assigned
from .states import replaced, together
from .text import (
    ATOM,
    TERNARY,
    Expr,
    as_float,
    as_int,
)
from .values import ADDED, LINE, NeedsStatements
from .walks import Walks
from .writer import Writer


class Scans(Walks):
    """Emits scans."""

    def scan(self, op: Op, writer: Writer) -> None:
        assert op.body is not None
        self.enter(op)
        if not self._running(op, writer):
            self._loop(op, writer)
        self.leave(op)

    def _running(self, op: Op, writer: Writer) -> bool:
        """Define a scan as a comprehension that assigns the states; tell whether there is one."""
        assert op.body is not None
        defined = {name for inner in op.body.ops for name in inner.results}
        following = [str(n) for n in op.body.nexts if n in defined]
        whole = len(set(following)) == len(op.states) > 0 and len(op.body.yields) == 1
        if not whole or any(dims(s.type) for s in op.states) or self.running is not None:
            return False
        start, result = self.names.mark(), op.results[0]
        states = [self.names.fresh(s.name) for s in op.states]
        for state, name in zip(op.states, states):
            self.values[state.name] = self.state_value(state.name, state.type, name)
        self.running = Running(dict(zip(following, states)))
        text, head = None, ""
        try:
            (head, *_), _, walked = self.heads(op)
            (value,) = self.body(op.body, walked, None)
            entry = self.yielded(op, 0, value)
            for k, name in enumerate(following):
                if name not in self.running.found:  # the loop names it: it cannot be assigned
                    raise NeedsStatements
                self.running.found[name] = self.next_value(op, k, self.running.found[name])
            text = assigned(entry.text, self.running)
        except NeedsStatements:
            pass
        self.running = None
        if text is None or len(text) + len(head) > LINE - 4:
            self.names.release(start)
            return False
        inits = [self.initial(op, k).at(TERNARY) for k in range(len(states))]
        if len(set(inits)) == 1:
            writer.line(f"{' = '.join(states)} = {inits[0]}")
        else:
            writer.line(f"{', '.join(states)} = {', '.join(inits)}")
        self.intervals[result] = None
        found = Expr(f"[{text} {head}]", ATOM, "array", depth=2)
        last = not any(self.usage.count[name] for name in op.results[1:])
        if (
            last and self.usage.count[result] == 1 and result in self.returned
        ):  # elsewhere Python may refuse to assign in it
            self.define(result, found, writer, LINE)
        else:
            self.bind(result, found, writer)
        for k, state in enumerate(op.states):
            self.values[op.results[1 + k]] = self.values[state.name]
        return True

    def _loop(self, op: Op, writer: Writer) -> None:
        """Define a scan by a loop of statements."""
        assert op.body is not None
        count = len(op.body.yields)
        states = [self.names.fresh(s.name) for s in op.states]
        outputs = {k: self.names.fresh(op.results[k]) for k in range(count)}
        inits = [self.initial(op, k) for k in range(len(states))]
        if states or outputs:
            targets = [*states, *outputs.values()]
            texts = [*(v.at(TERNARY) for v in inits), *("[]" for _ in outputs)]
            writer.line(f"{', '.join(targets)} = {', '.join(texts)}")
        for state, name in zip(op.states, states):
            self.values[state.name] = self.state_value(state.name, state.type, name)
        self.replacing |= replaced(op, states, self.usage)
        heads, _, walked = self.heads(op)
        with writer.indented(f"{heads[0]}:"):
            block = self._moved_on(op, states, walked, writer)
            yields = self.body(block, walked, writer)
            for k, name in outputs.items():
                entry = self.yielded(op, k, yields[k])
                writer.line(f"{name}.append({entry.text})")
            self._update(op, states, writer)
        for k, result in enumerate(op.results):
            if k < count:
                self.values[result] = Expr(outputs[k], ATOM, "array")
                self.intervals[result] = None
            else:
                self.values[result] = self.values[op.states[k - count].name]

    def _moved_on(self, op: Op, states: Sequence[str], walked: set[str], writer: Writer) -> Block:
        """Assign the next values of states that need each other; return what is left of the body."""
        assert op.body is not None
        scalars = not any(dims(s.type) for s in op.states)
        places, steps = together(op, self.replacing, self.usage) if scalars else ([], [])
        if not places:
            return op.body
        self.held = {str(op.body.nexts[k]): None for k in places}
        first = tuple(inner for inner in steps if not walked.intersection(inner.results))
        self.block(replace(op.body, ops=first, yields=(), nexts=()), writer)
        held, self.held = self.held, {}
        values = [(k, held[str(op.body.nexts[k])]) for k in places]
        texts = [self.next_value(op, k, v).at(TERNARY) for k, v in values if v is not None]
        names = [states[k] for k in places]
        writer.line(f"{', '.join(names)} = {', '.join(texts)}")
        for k, name in zip(places, names):
            self.values[str(op.body.nexts[k])] = self.state_value("", op.states[k].type, name)
        rest = tuple(inner for inner in op.body.ops if inner not in steps)
        return replace(op.body, ops=rest)

    def initial(self, op: Op, position: int) -> Expr:
        """Return how a state starts."""
        state = op.states[position]
        value = self.operand(state.init)
        if dims(state.type):
            return self.lists(value)
        real = isinstance(element(state.type), (Real, Missing))
        return as_float(value) if real else as_int(value)

    def state_value(self, name: str, type_: Type, local: str) -> Expr:
        """Return a state as an operand."""
        real = isinstance(element(type_), (Real, Missing))
        return Expr(local, ATOM, "array" if dims(type_) else "float" if real else "int")

    def following(self, op: Op, position: int) -> Expr:
        """Return what a state becomes."""
        assert op.body is not None
        return self.next_value(op, position, self.operand(op.body.nexts[position]))

    def next_value(self, op: Op, position: int, value: Expr) -> Expr:
        """Return a value as a state holds it: a list, an int or a float."""
        state = op.states[position]
        if dims(state.type):
            return self.lists(value)
        real = isinstance(element(state.type), (Real, Missing))
        return as_float(value) if real else as_int(value)

    def _update(self, op: Op, states: Sequence[str], writer: Writer) -> None:
        nexts = [self.following(op, k) for k in range(len(states))]
        moving = [(name, e) for name, e in zip(states, nexts) if e.text != name]
        added = ADDED.fullmatch(moving[0][1].text) if len(moving) == 1 else None
        if added is not None and added[1] == moving[0][0] and moving[0][1].kind == "int":
            writer.line(f"{moving[0][0]} += {added[2] or added[3]}")
        elif moving:
            targets = ", ".join(name for name, _ in moving)
            writer.line(f"{targets} = {', '.join(e.at(TERNARY) for _, e in moving)}")
        elif writer.lines[-1].rstrip().endswith(":"):
            writer.line("pass")

    # ------------------------------------------------------------ results
