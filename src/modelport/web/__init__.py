"""The pages: what is served, and a form per model to try it on. Server-rendered; no build step, no outside content."""
