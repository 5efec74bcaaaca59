"""Reading tars, also those that others wrote."""
