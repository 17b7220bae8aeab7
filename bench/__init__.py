"""Measures the application on a database of 100,000 messages: `python -m bench`."""
