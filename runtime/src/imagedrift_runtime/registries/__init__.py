"""The operator's file about registries, `registries.toml`."""
