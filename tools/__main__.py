"""`python -m tools VERB ...`; each verb's --help has an example."""

from shards.printing import guard_terminal
from tools.commands import app

guard_terminal()
app(prog_name="python -m tools")
