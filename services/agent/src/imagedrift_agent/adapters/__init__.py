"""The world of the agent: engines, files, NATS, the state folder."""
