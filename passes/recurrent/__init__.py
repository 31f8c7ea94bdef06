"""Recurrent networks to programs over time: windows, recurrences, machines, counters."""
