"""`python -m shards VERB ...`; each verb's --help has an example."""

from shards.cli.app import main

main()
