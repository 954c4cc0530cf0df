"""Gates: rules on an evaluation, read and judged without running anybody's code."""
