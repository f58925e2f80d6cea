"""From a model to files that leave, each with the proof that its numbers did not change."""
