"""A server that follows the registry: what that wants is fetched, loaded, switched to, and unloaded."""
