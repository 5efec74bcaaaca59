"""What is recorded of a run: its log and trackers, how it was started, spikes of its loss, profiles of its steps."""
