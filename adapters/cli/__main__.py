"""`python -m adapters.cli`: the same as `handrail`."""

from adapters.cli.main import main

main()
