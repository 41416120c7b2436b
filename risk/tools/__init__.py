"""What analysts and auditors ask about rule files and receipts: explain, replay, names, layout, pages, what has gone stale.

Rule 1: one module or small package a command of `risk/cli/`; text and data come out, nothing is printed and no file is read here.
Rule 2: everything is asked of a loaded rule set and of the engine that decides payments; nothing is decided in another way here.
"""
