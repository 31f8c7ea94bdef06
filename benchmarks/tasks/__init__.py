"""Tasks with known answers: training sets and test sets, seeded, with their sources."""
