"""Train a small conv net to make one step of Conway's Life: python -m examples.life.train"""

from pathlib import Path

import torch
from torch import Tensor, nn

from examples.training import Batch, bits, check, fit, prepare, save

SIZE, CHANNELS, SEED = 6, 8, 1970


def life(grids: Tensor) -> Tensor:
    """Step grids (n, 1, height, width), joined at opposite edges."""
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    block = torch.stack([grids.roll(shift, (-2, -1)) for shift in shifts]).sum(0)
    return ((block == 3) | (block - grids == 3)).float()  # itself and its neighbours, or only them


def random_grids(generator: torch.Generator, batch: int = 64) -> Batch:
    """Draw random grids of all densities and their successors."""
    density = torch.rand(batch, 1, 1, 1, generator=generator)
    grids = (torch.rand(batch, 1, SIZE, SIZE, generator=generator) < density).float()
    return grids, life(grids)


def all_neighbourhoods() -> Batch:
    """Tile one grid of 48 x 96 cells with all 512 patches of 3 x 3, and step it."""
    patches = bits(torch.arange(512), 9).reshape(16, 32, 3, 3)
    grid = patches.permute(0, 2, 1, 3).reshape(1, 1, 48, 96)
    return grid, life(grid)


def main() -> None:
    generator = prepare(SEED)
    model = nn.Sequential(
        nn.Conv2d(1, CHANNELS, 3, padding=1, padding_mode="circular"),
        nn.ReLU(),
        nn.Conv2d(CHANNELS, 1, 1),
    )
    everything = all_neighbourhoods()
    found = fit(
        model,
        sample=lambda: random_grids(generator),
        examine=lambda model: check(model, [everything]),
    )
    print(f"checked a grid of 48 x 96 cells that holds all 512 neighbourhoods: {found}")
    save(model, Path(__file__).with_name("model.pt"), f"grid: bit[{SIZE}, {SIZE}]", "step")


if __name__ == "__main__":
    main()
