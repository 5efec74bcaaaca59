"""What an evaluation is made of: predictions, controls, score tables, submissions, the record of scorings."""
