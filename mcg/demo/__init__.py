"""The demo: `python -m mcg.demo` builds data, trains, scores and writes the page of the results."""
