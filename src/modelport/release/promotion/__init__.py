"""From a version to production by way of its gates."""
