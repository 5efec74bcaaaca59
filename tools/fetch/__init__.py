"""Fetch the files of a release, or media by the URLs of a list: `python -m tools fetch`; docs/fetching.md."""
