"""Names in scikit-learn's iris data, tables as CSV files, and model files as subjects."""

from __future__ import annotations

import csv

from modelport.evaluate.subject import Subject
from modelport.runtimes.catalog import load

IRIS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SPECIES = ("setosa", "versicolor", "virginica")


def subject_of(path, **more):
    model = load(path)
    return Subject(path.stem, model.signature, model.predict, size=path.stat().st_size, **more)


def write_csv(path, head, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)
    return path
