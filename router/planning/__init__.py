"""An operation becomes a query plan: normalize, choose, stage, render."""
