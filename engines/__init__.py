"""What runs a model: one interface, one file per engine, found by name without importing any of them."""
