"""What the agent touches: engines, files, NATS, the state folder."""
