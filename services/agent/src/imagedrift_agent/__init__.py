"""The agent: what container images a host has, as an Inventory, said when it changes."""
