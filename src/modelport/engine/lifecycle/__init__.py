"""Which versions should be loaded, and how the engine gets there: source → policy → load, warm, switch, unload."""
