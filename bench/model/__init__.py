"""The model's evidence: the online model against a batch model and a plain one, on one recorded stream and one simulated.

Belongs here: streams as feature rows (made by the product's own engine), the models compared, and the figures. Never: how the
product learns (risk.learning), how a figure is defined (risk.learning.evaluation).
"""
