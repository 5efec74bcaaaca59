"""Instructional videos with the steps that they show: a file per dataset."""
