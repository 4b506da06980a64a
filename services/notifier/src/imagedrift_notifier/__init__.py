"""Notifier: tells people what is due, by the routes that an operator has written."""
