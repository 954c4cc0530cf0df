"""An evaluation's plots as SVG, and its report as one HTML file that needs nothing from elsewhere."""
