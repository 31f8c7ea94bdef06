"""Numbers of which only the order matters: the greatest, its place, marks at it, sortedness.

`invariant` tells networks and programs that look at the order alone, `readings` has the questions,
`raiser` finds the one with the network's answers and proves programs by all orders with ties.
"""

from .raiser import Orders, proved_by_orders

__all__ = ["Orders", "proved_by_orders"]
