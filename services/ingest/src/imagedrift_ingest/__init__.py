"""Ingest: stores inventories and answers, compares them, and asks what is due."""
