"""From results to what a person looks at: the table and the gallery. Reads results only."""
