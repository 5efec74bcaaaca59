"""`python -m shards VERB ...`; each verb's --help has an example."""

from shards.commands import main

main()
