"""Package data is all there is."""
