"""Train an MLP to name the most frequent token of a word: python -m examples.tokens.train"""

from pathlib import Path

import torch
from torch import nn

from examples.training import Batch, argmax_margin, check, fit, mlp, prepare, save

KINDS, LENGTH, HIDDEN, SEED = 3, 4, 16, 3


def words(tokens: torch.Tensor) -> Batch:
    """Write words (n, length) as one-hot tokens in a row; the target (n) is the commonest token.

    Ties go to the smallest token: `argmax` takes the first of equals.
    """
    onehot = nn.functional.one_hot(tokens, KINDS)
    return onehot.flatten(1).float(), onehot.sum(1).argmax(1)


def main() -> None:
    generator = prepare(SEED)
    model = mlp(KINDS * LENGTH, HIDDEN, KINDS)
    everything = words(torch.cartesian_prod(*[torch.arange(KINDS)] * LENGTH))
    found = fit(
        model,
        sample=lambda: words(torch.randint(KINDS, (512, LENGTH), generator=generator)),
        examine=lambda model: check(model, [everything], argmax_margin),
        loss=nn.functional.cross_entropy,
    )
    print(f"checked all words: {found}")
    save(model, Path(__file__).with_name("model.pt"), f"word: onehot<{KINDS}>[{LENGTH}]", "argmax")


if __name__ == "__main__":
    main()
