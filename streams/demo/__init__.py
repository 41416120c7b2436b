"""`risk demo`: the whole system on this machine for as long as somebody looks at it.

Belongs here: starting the pieces, following what they write, drawing it. Never: deciding anything. The demo is an outsider: it
publishes as a gateway would, reads the public topics and the metrics page, and has its losses counted by `streams.audit`.
"""
