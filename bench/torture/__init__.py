"""The torture suite: workers and broker are killed, paused and disturbed under load; then the topics are read, and must say that nothing
was lost, decided twice or counted differently. `make torture KILLS=50 SEED=7`; the short form is tests/streams/test_torture.py."""
