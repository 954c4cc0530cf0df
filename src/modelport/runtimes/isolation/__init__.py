"""Models in processes of their own: a crash, a hang or a hostile file stays there.

`options.py` is what `[process]` says, `model.py` the model as the engine sees it, `place.py` one process and its
restarts, `child.py` a running process as its parent sees it, `worker.py` the process itself; `messages.py`,
`channel.py`, `region.py` and `tensors.py` are what goes between them. Nothing that a process sends is trusted.
"""
