"""Everything that is not inference over HTTP/1.1: one FastAPI app made of routers."""
