"""How a model's traffic is split or mirrored between two of its versions, and what is counted of each; no registry."""
