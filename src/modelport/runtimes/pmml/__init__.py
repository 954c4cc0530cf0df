"""PMML documents, evaluated by PMML4S."""
