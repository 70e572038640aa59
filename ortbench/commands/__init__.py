"""The commands, by what they are about. Each is a list of steps; what the steps do stands elsewhere."""
