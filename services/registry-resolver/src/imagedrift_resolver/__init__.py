"""Registry resolver: answers questions from the shared cache, or from their registries."""
