"""Train an MLP for each of 32 elementary cellular automata: python -m examples.automata.train"""

import random
from pathlib import Path

from examples.training import all_rows, check, fit, mlp, prepare, random_rows, save

CELLS, HIDDEN, SEED = 8, 64, 0
KNOWN = [30, 54, 90, 110, 150, 184]


def draw_rules(count: int) -> list[int]:
    """Choose the well-known rules and others by lot, in order."""
    others = [rule for rule in range(256) if rule not in KNOWN]
    return sorted(KNOWN + random.Random(SEED).sample(others, count - len(KNOWN)))


def main() -> None:
    for rule in draw_rules(32):
        print(f"rule {rule}")
        train(rule)


def train(rule: int) -> None:
    generator = prepare(rule)
    model = mlp(CELLS, HIDDEN, CELLS)
    found = fit(
        model,
        sample=lambda: random_rows(rule, CELLS, generator),
        examine=lambda model: check(model, all_rows(rule, CELLS)),
    )
    print(f"checked all 2^{CELLS} rows: {found}")
    save(model, Path(__file__).with_name(f"rule_{rule:03}.pt"), f"cells: bit[{CELLS}]", "step")


if __name__ == "__main__":
    main()
