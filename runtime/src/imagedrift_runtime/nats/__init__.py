"""NATS as a service sees it: a connection, messages, key-value buckets."""
