"""Whole stories of workers, crashes and moves without Kafka and without waiting: one seed, one story, a few milliseconds.

The worker is the real one, with everything that it is made of (streams/worker.py and below), and so are the agents. Not real are the
clock and the event loop (loop.py), the broker and its clients (broker.py, clients.py) and what starts, pauses and kills workers
(process.py). `python -m tests.simulation --seeds 5000` tells many; a seed that it names tells the same story again.
"""
