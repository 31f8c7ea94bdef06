"""Train an MLP to tell whether a > b for numbers of 4 bits: python -m examples.comparator.train"""

from pathlib import Path

import torch

from examples.training import Batch, bits, check, fit, mlp, prepare, save

WIDTH, HIDDEN, SEED = 4, 16, 4


def pairs(a: torch.Tensor, b: torch.Tensor) -> Batch:
    """Write numbers a, b (n) as the bits of a, then those of b; the target (n, 1) is a > b."""
    return torch.cat([bits(a, WIDTH), bits(b, WIDTH)], 1), (a > b).float()[:, None]


def main() -> None:
    generator = prepare(SEED)
    model = mlp(2 * WIDTH, HIDDEN, 1)
    numbers = torch.arange(1 << WIDTH)
    everything = pairs(*torch.cartesian_prod(numbers, numbers).T)
    found = fit(
        model,
        sample=lambda: pairs(*torch.randint(1 << WIDTH, (2, 512), generator=generator)),
        examine=lambda model: check(model, [everything]),
    )
    print(f"checked all pairs: {found}")
    save(model, Path(__file__).with_name("model.pt"), f"a: bit[{WIDTH}], b: bit[{WIDTH}]", "step")


if __name__ == "__main__":
    main()
