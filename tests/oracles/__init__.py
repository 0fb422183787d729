"""What judges the project from outside: programs and writers that share no code with it."""
