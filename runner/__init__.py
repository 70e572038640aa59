"""Plans a study, runs its arms in processes, owns the only clock, and writes the record."""
