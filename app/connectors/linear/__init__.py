"""Linear: issues, projects, cycles, teams and comments, read through its GraphQL API."""
