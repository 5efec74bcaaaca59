"""Tools that make datasets: `python -m tools --help` lists them."""
