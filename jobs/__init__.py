"""The worker process: `python -m jobs`."""
