"""How fast the product is, measured through its own doors. Nothing in `risk/` or `streams/` may import from here."""
