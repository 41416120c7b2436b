"""One module a section of the rule files: nodes with places in, checked facts of `risk.declared` out."""
