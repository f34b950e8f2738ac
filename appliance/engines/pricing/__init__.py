"""The pricing engine: what a night costs."""
