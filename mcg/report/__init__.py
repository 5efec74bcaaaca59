"""The page of one run or of several, `python -m mcg.report`; the demo's page is made of the same parts."""
