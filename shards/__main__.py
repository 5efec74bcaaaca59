"""`python -m shards VERB ...`; the verbs are in shards/commands/."""

from shards.commands import app

app(prog_name="python -m shards")
