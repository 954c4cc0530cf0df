"""MLflow models that only MLflow itself can load (pyfunc)."""
