"""Samples of several files: members of tars, or files of a folder, with what their downloader noted about them."""
