"""Long work that servers with a registry do, each job in a process of its own."""
