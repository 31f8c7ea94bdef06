"""Train an MLP to make one step of Rule 30 on a ring of 20 cells: python -m examples.rule30.train"""

from pathlib import Path

from examples.training import all_rows, check, fit, mlp, prepare, random_rows, save

RULE, CELLS, HIDDEN, SEED = 30, 20, 64, 30


def main() -> None:
    generator = prepare(SEED)
    model = mlp(CELLS, HIDDEN, CELLS)
    found = fit(
        model,
        sample=lambda: random_rows(RULE, CELLS, generator),
        examine=lambda model: check(model, all_rows(RULE, CELLS)),
    )
    print(f"checked all 2^{CELLS} rows: {found}")
    save(model, Path(__file__).with_name("model.pt"), f"cells: bit[{CELLS}]", "step")


if __name__ == "__main__":
    main()
