"""How steps act on the world: one module a step type.

To add one: a planned action in `bot.domain.plan`, a step in `bot.domain.playbook`, a module here with a
class that has `run`, one line in `adapters.wiring`, and its contract test. mypy lists every place that
must know the new type.
"""
