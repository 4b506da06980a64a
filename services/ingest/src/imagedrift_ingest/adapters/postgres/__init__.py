"""Everything that speaks SQL. Statements are in `sql/statements`, named and described there."""
