"""Contract suites and fakes for the authors of plugins, and for Modelport's own tests."""
