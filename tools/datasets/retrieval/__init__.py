"""Captions of videos for retrieval and captioning: a file per dataset."""
