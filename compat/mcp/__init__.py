"""`/mcp`: a stateless server of the Model Context Protocol, for agents.

Each tool is one call of the API with the caller's own key, so that every scope, limit and error is
the API's. docs/agents.md is how to use it.
"""
