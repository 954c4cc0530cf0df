"""Other servers' model repositories, read into the words of `modelport.toml`."""
