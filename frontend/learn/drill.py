"""Train a recurrent network on with the sequences that it gets wrong or nearly so, until none is left.

Rare mistakes hide from fresh batches. Every round looks for them: among fresh sequences, and where a rule
gives labels, along a beam of words that go where the outputs are farthest off. What it finds is kept while it
is hard, and makes up half of the batches (hard example mining, Sung and Poggio 1998). Small errors cost
nothing, and neither do the steps after the first mistake, which tell of that mistake only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .alike import Alike
from .recurrent import CLOSE, SAFE, Recipe, Recurrent, Rule, Source
from .torch_thread import one_thread

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ROUND = 200  # steps between two searches
POOL = 1 << 14  # fresh sequences of a search
BEAM = 1 << 10  # words that go on from one step to the next, in a search
WIDE_BEAM = 1 << 14  # and in that after a pass
WIDEST_BEAM = 1 << 17  # and in the last one
EVERY_WORD = 1 << 20  # where there are at most so many words, that after a pass takes all
MOST_LETTERS = 64
BLOCK = 1 << 14
KEPT = 1 << 15  # hard sequences
HARD = 0.12  # how far an output is from its integer in a sequence that is kept
FREE = 0.1  # an error that costs nothing
FIRST = 1 << 12  # fresh sequences, and hard ones, whose states are compared
TIMES = 4  # as many rows where states are compared
PASSES = 16
SLOWER = 0.2  # of the rate of the first training
HALVED = 4  # passes, each at half of the rate before, until the rate starts again


@dataclass(frozen=True)
class Found:
    """Sequences with how far their worst output is off."""

    x: Ints
    off: Floats

    @property
    def worst(self) -> tuple[int, float]:
        """How many are wrong, and how far the worst is off."""
        return int((self.off >= CLOSE).sum()), float(self.off.max(initial=0.0))


def drilled(
    found: Recurrent,
    source: Source,
    recipe: Recipe,
    rule: Rule | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Recurrent:
    """Return the network after passes of `recipe.drill` more steps; none that does not help counts.

    Passes end where neither `recipe.checked` fresh sequences nor a wide search show a mistake. `rule` labels
    words that the source did not draw; without it the words of the source have to do. Deterministic for a
    recipe on one machine.
    """
    hard: Ints | None = None
    with one_thread() as torch:
        for number in range(PASSES):
            slower = (recipe.drill_rate or recipe.rate * SLOWER) / 2 ** (number % HALVED)
            own = replace(recipe, seed=recipe.seed + number, rate=slower)
            drill = _Drill(torch, found, source, own, rule)
            if hard is not None and rule is not None:
                drill.hard = (hard, rule(hard))
            found, wrong = drill.run(number > 0, progress)
            hard = None if wrong else _Drill(torch, found, source, own, rule).mistakes()
            if hard is not None and not len(hard):
                break
    return found


class _Drill:
    def __init__(
        self, torch: Any, found: Recurrent, source: Source, recipe: Recipe, rule: Rule | None
    ) -> None:
        self.torch, self.found, self.source, self.recipe = torch, found, source, recipe
        self.length, self.rule = found.length, rule
        self.rng = np.random.default_rng(recipe.seed)
        x, y = source(self.rng, POOL, self.length)
        spread = x.std(axis=(0, 1))
        self.mean = x.mean(axis=(0, 1))
        self.spread = np.where((spread > 0) & (recipe.scale != "unit"), spread, 1.0)
        letters = np.unique(x.reshape(-1, x.shape[2]), axis=0)
        self.letters = letters if rule is not None and len(letters) <= MOST_LETTERS else letters[:0]
        self.start = torch.from_numpy(found.h0.astype(np.float32))[None]
        self.f = self._layers(found.f, True)
        self.g = self._layers(found.g, False)
        self.hard = (x[:0], y[:0])
        self.alike = (
            Alike(torch, source, rule, recipe, self.length)
            if recipe.alike and rule is not None
            else None
        )

    def _layers(self, layers: tuple[tuple[Floats, Floats], ...], first: bool) -> list[Any]:
        """Return trainable layers (into x out), the first for centred and scaled inputs."""
        made: list[Any] = []
        for weight, bias in layers:
            # As a file keeps them, so that training goes on alike from there.
            weight, bias = (array.astype(np.float32).astype(np.float64) for array in (weight, bias))
            if first and not made:
                inputs = slice(len(self.found.h0), None)
                bias = bias + weight[:, inputs] @ self.mean
                weight[:, inputs] *= self.spread
            arrays = (np.ascontiguousarray(a, dtype=np.float32) for a in (weight.T, bias))
            made.append(tuple(self.torch.from_numpy(a).requires_grad_() for a in arrays))
        return made

    def trained(self, steps: int) -> Recurrent:
        """Return the network as it is, raw numbers in and out."""
        layers = [
            (w.detach().numpy().T.astype(np.float64), b.detach().numpy().astype(np.float64))
            for w, b in (*self.f, *self.g)
        ]
        weight, bias = layers[0]
        inputs = slice(len(self.found.h0), None)
        weight[:, inputs] /= self.spread
        layers[0] = weight, bias - weight[:, inputs] @ self.mean
        depth = len(self.f)
        return replace(self.found, f=tuple(layers[:depth]), g=tuple(layers[depth:]), steps=steps)

    # ------------------------------------------------------------ the network

    def _stack(self, layers: list[Any], value: Any) -> Any:
        for number, (weight, bias) in enumerate(layers):
            value = self.torch.relu(value) if number else value
            value = self.torch.addmm(bias, value, weight)
        return value

    def _scaled(self, x: Ints) -> Any:
        return self.torch.from_numpy(((x - self.mean) / self.spread).astype(np.float32))

    def forward(self, x: Ints) -> tuple[Any, Any]:
        """Return the outputs [rows, steps, m] and the states [steps * rows, k]."""
        scaled, h = self._scaled(x), self.start.expand(len(x), -1)
        states: list[Any] = []
        for t in range(x.shape[1]):
            h = self._stack(self.f, self.torch.cat([h, scaled[:, t]], dim=1))
            states.append(h)
        after = self.torch.cat(states)
        found = self._stack(self.g, after)
        return found.unflatten(0, (len(states), -1)).transpose(0, 1), after

    # ------------------------------------------------------------ searches

    def looked_at(self, x: Ints, y: Ints) -> Floats:
        """Return how far the worst output of each sequence is off."""
        parts: list[Floats] = [np.zeros(0)]
        with self.torch.no_grad():
            for at in range(0, len(x), BLOCK):
                rows = slice(at, at + BLOCK)
                off = np.abs(self.forward(x[rows])[0].double().numpy() - y[rows])
                parts.append(np.nan_to_num(off.max(axis=(1, 2)), nan=np.inf))
        return np.concatenate(parts)

    def along_beam(self, width: int) -> Found:
        """Return words at whose end an output is off, of any length up to the trained one.

        Of the words of one length all are looked at where at most `width` go on to it, else those that go
        on from the farthest off and from random ones.
        """
        words = np.zeros((1, 0, self.letters.shape[1]), dtype=np.int64)
        h, kept, offs = self.start, [self._filled(words[:0])], [np.zeros(0)]
        for length in range(1, self.length + 1) if len(self.letters) else ():
            nexts: list[tuple[Ints, Any, Floats]] = []
            for x, after, off in self._longer(words, h):
                bad = off > HARD
                kept.append(self._filled(x[bad]))
                offs.append(off[bad])
                # Beyond a mistake there are only more of them.
                on = (off < CLOSE) & (length < self.length)
                nexts.append((x[on], after[self.torch.from_numpy(on)], off[on]))
            if not nexts:
                break
            words = np.concatenate([x for x, _, _ in nexts])
            h = self.torch.cat([after for _, after, _ in nexts])
            off = np.concatenate([off for _, _, off in nexts])
            if len(words) > width:
                farthest = np.argsort(-off, kind="stable")[: width // 2]
                chosen = np.union1d(farthest, self.rng.permutation(len(words))[: width // 2])
                words, h = words[chosen], h[self.torch.from_numpy(chosen)]
        return Found(np.concatenate(kept), np.concatenate(offs))

    def _longer(self, words: Ints, h: Any) -> Iterator[tuple[Ints, Any, Floats]]:
        """Yield words with one more letter, their states, how far the last output is off."""
        assert self.rule is not None
        count = len(self.letters)
        size = max(1, BLOCK // count)
        with self.torch.no_grad():
            for at in range(0, len(words), size):
                part = words[at : at + size]
                last = np.tile(self.letters, (len(part), 1))[:, None]
                x = np.concatenate([np.repeat(part, count, axis=0), last], axis=1)
                before = h[at : at + size].repeat_interleave(count, dim=0)
                step = self._scaled(x[:, -1])
                after = self._stack(self.f, self.torch.cat([before, step], dim=1))
                given = self._stack(self.g, after).double().numpy()
                off = np.abs(given - self.rule(x)[:, -1]).max(axis=1)
                yield x, after, np.nan_to_num(off, nan=np.inf)

    def _filled(self, x: Ints) -> Ints:
        """Return words continued by random letters to the trained length."""
        rows = (len(x), self.length - x.shape[1])
        return np.concatenate([x, self.letters[self.rng.integers(0, len(self.letters), rows)]], 1)

    def _search(self) -> tuple[int, float]:
        """Keep what is hard now; return how many sequences are wrong, and the worst error."""
        x, y = self.source(self.rng, POOL, self.length)
        parts = [(x, y), self.hard]
        if self.rule is not None and len(self.letters):
            words = self.along_beam(BEAM)
            order = np.argsort(-words.off, kind="stable")[:POOL]
            parts.append((words.x[order], self.rule(words.x[order])))
        x, y = (np.concatenate(arrays) for arrays in zip(*parts))
        off = self.looked_at(x, y)
        order = np.argsort(-off, kind="stable")[:KEPT]
        order = order[off[order] > HARD]
        self.hard = (x[order], y[order])
        if self.alike is not None:
            fresh = self.source(self.rng, FIRST, self.length)
            self.alike.fill(*(np.concatenate([a, b[:FIRST]]) for a, b in zip(fresh, self.hard)))
        return Found(x, off).worst

    def _examined(self, again: bool = False) -> tuple[tuple[int, float], int, int]:
        """Return wrong ones and the worst error of a wide search; right and safe fresh sequences."""
        right = safe = 0
        worst = 0.0
        for at in range(0, self.recipe.checked, POOL):
            x, y = self.source(self.rng, min(POOL, self.recipe.checked - at), self.length)
            off = self.looked_at(x, y)
            right, safe = right + int((off < CLOSE).sum()), safe + int((off < SAFE).sum())
            worst = max(worst, float(off.max()))
        few = len(self.letters) ** self.length <= EVERY_WORD
        words = self.along_beam(EVERY_WORD if few else WIDE_BEAM)
        if again and self.rule is not None:
            x = words.x[np.argsort(-words.off, kind="stable")[:KEPT]]
            x = np.concatenate([x, self.hard[0]])
            self.hard = (x, self.rule(x))
        wrong, other = words.worst
        return (wrong + self.recipe.checked - right, max(worst, other)), right, safe

    def mistakes(self) -> Ints:
        """Return the hard words of the widest search if some of them are wrong, else none."""
        words = self.along_beam(WIDEST_BEAM)
        return words.x[np.argsort(-words.off, kind="stable")[: KEPT if words.worst[0] else 0]]

    # ------------------------------------------------------------ training

    def run(
        self, again: bool, progress: Callable[[str, float], None] | None
    ) -> tuple[Recurrent, int]:
        """Train, search in between, return the better of the first and the last, and how many are wrong.

        If `again`, begin with the hard words of the wide search, which are few by then.
        """
        torch, recipe, steps = self.torch, self.recipe, self.recipe.drill
        before, right, safe = self._examined(again)
        first = replace(self.found, right=right, safe=safe, checked=recipe.checked)
        if not before[0] and before[1] < SAFE:
            return first, 0
        weights = [tensor for pair in (*self.f, *self.g) for tensor in pair]
        optimiser = torch.optim.Adam(weights, lr=recipe.rate, betas=(0.9, 0.99))
        for step in range(1, steps + 1):
            if step % ROUND == 1:
                self._search()
                if progress is not None:
                    progress("drilling", step / steps)
            loss = self._loss(*self._batch())
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate * _schedule(step / steps)
            optimiser.step()
        after, right, safe = self._examined()
        if after >= before:
            return first, before[0]
        last = self.trained(first.steps + steps)
        return replace(last, right=right, safe=safe, checked=recipe.checked), after[0]

    def _batch(self) -> tuple[Ints, Ints, Any]:
        """Return sequences, up to half of them hard ones, and which of their states are alike."""
        if self.alike is not None:
            half = TIMES * self.recipe.batch // 2
            own = self.rng.integers(0, len(self.alike.x) - FIRST or FIRST, half) + FIRST
            fresh = self.rng.integers(0, FIRST, half)
            chosen = np.concatenate([fresh, own % len(self.alike.x)])
            return self.alike.rows(chosen, self.length)
        hard = min(self.recipe.batch // 2, len(self.hard[0]))
        x, y = self.source(self.rng, self.recipe.batch - hard, self.length)
        if not hard:
            return x, y, None
        rows = self.rng.integers(0, len(self.hard[0]), hard)
        x, y = (np.concatenate([a, b[rows]]) for a, b in zip((x, y), self.hard))
        return x, y, None

    def _loss(self, x: Ints, y: Ints, alike: Any) -> Any:
        torch = self.torch
        given, states = self.forward(x)
        off = (given - torch.from_numpy(y.astype(np.float32))).abs()
        wrong = (off.detach() > CLOSE).any(dim=2, keepdim=True).long()
        counted = wrong.cumsum(dim=1) == wrong
        loss = (torch.relu(off - FREE) * counted).square().mean()
        if self.alike is None:
            return loss
        right = (wrong.cumsum(dim=1) == 0).transpose(0, 1).flatten()
        return loss + self.alike.penalty(states[right][None], alike[right])[0]


def _schedule(share: float) -> float:
    """Return a factor for the rate: a short warm-up, then a cosine from 40 % on."""
    if share < 0.02:
        return share / 0.02
    return 0.5 * (1 + math.cos(math.pi * max(0.0, (share - 0.4) / 0.6)))
