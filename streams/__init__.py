"""Where it runs: the Faust app, its agents, topics, settings, metrics and transport. Nothing is decided here."""
