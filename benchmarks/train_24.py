"""Train an MLP for Rule 30 on 24 cells, checked on all 2^24 rows: python -m benchmarks.train_24

The network is the larger relative of examples/rule30: too large for a quick look at every input,
small enough for a complete proof.
"""

from pathlib import Path

from examples.training import all_rows, check, fit, mlp, prepare, random_rows, save

RULE, CELLS, HIDDEN, SEED = 30, 24, 128, 24
FOLDER = Path(__file__).parents[1] / "examples" / "rule30"


def main() -> None:
    generator = prepare(SEED)
    model = mlp(CELLS, HIDDEN, CELLS)
    found = fit(
        model,
        sample=lambda: random_rows(RULE, CELLS, generator),
        examine=lambda model: check(model, all_rows(RULE, CELLS)),
    )
    print(f"checked all 2^{CELLS} rows: {found}")
    save(model, FOLDER / f"model_{CELLS}.pt", f"cells: bit[{CELLS}]", "step")


if __name__ == "__main__":
    main()
