"""How a service runs: settings, logs, metrics, health, NATS, a clean stop. Knows no service."""
