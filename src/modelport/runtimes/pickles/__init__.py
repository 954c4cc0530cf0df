"""What a pickle would import, and loading it no further than an allow list goes."""
