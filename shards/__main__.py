"""`python -m shards VERB ...`; each verb's --help has an example."""

from shards.commands import app
from shards.printing import guard_terminal

guard_terminal()
app(prog_name="python -m shards")
