"""How good a model is: named protocols, metrics with intervals, comparisons, a page."""
