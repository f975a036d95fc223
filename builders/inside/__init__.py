"""Scripts that run on a platform, by its own Python (3.8 or newer), with the standard library and `packaging`."""
