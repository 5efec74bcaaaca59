"""`python -m tools VERB ...`; each verb's --help has an example."""

from tools.commands import main

main()
